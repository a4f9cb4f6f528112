// The outcome of anything that can be refused. Plain data, no methods: `if (!x.ok) return x;`.
// A Result must never be used as a condition itself (it is always truthy); the linter refuses it.

export type Ok<T> = { readonly ok: true; readonly value: T };
export type Err<E> = { readonly ok: false; readonly error: E };
export type Result<T, E> = Ok<T> | Err<E>;

export function ok<T>(value: T): Ok<T> {
  return { ok: true, value };
}

export function err<E>(error: E): Err<E> {
  return { ok: false, error };
}
