// What the sign pool and its threads say to each other, and how jobs are laid out in a batch.

/** A handle (u32) and a root. */
export const JOB_BYTES = 36;
export const ROOT_BYTES = 32;
export const SECRET_BYTES = 32;
export const SIGNATURE_BYTES = 96;

export type ToWorker =
  | {
      readonly kind: "add";
      readonly id: number;
      readonly handles: readonly number[];
      /** 32 bytes for each handle, shared so that no copy is made on the way. */
      readonly secrets: SharedArrayBuffer;
    }
  | { readonly kind: "remove"; readonly id: number; readonly handles: readonly number[] }
  | { readonly kind: "sign"; readonly jobs: ArrayBuffer };

export type FromWorker =
  | { readonly kind: "done"; readonly id: number }
  /** Signatures of the oldest batch, in its order. */
  | { readonly kind: "signed"; readonly signatures: ArrayBuffer };
