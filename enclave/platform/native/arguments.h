// What both addons need to take arguments from JavaScript and to answer with errors. A function
// that answers false or NULL has already thrown. Nothing here may accept a value that is not
// exactly of the asked kind.

#ifndef REDOUBT_ARGUMENTS_H
#define REDOUBT_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAPI_VERSION 8
#include <node_api.h>
#include <uv.h>

#define ERROR_CODE_BYTES 32

// The name of an errno, such as ECONNRESET.
static inline void write_code(int error, char code[ERROR_CODE_BYTES]) {
  uv_err_name_r(uv_translate_sys_error(error), code, ERROR_CODE_BYTES);
}

// Throws an Error whose `code` is the name of the errno.
static inline napi_value throw_errno(napi_env env, const char *call, int error) {
  char code[ERROR_CODE_BYTES];
  write_code(error, code);
  napi_throw_error(env, code, call);
  return NULL;
}

static inline napi_value throw_argument(napi_env env, const char *text) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", text);
  return NULL;
}

// Exactly `count` arguments: neither more nor fewer.
static inline bool read_arguments(napi_env env, napi_callback_info info, size_t count,
                                  napi_value *values) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok || given != count) {
    throw_argument(env, "wrong number of arguments");
    return false;
  }
  return true;
}

// A whole number from 0 to `most`. Strings, fractions, NaN and objects are refused. `most` is below
// 2^53, so that every number in range is exact.
static inline bool read_integer(napi_env env, napi_value value, uint64_t most, uint64_t *out) {
  napi_valuetype type;
  double number;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_number ||
      napi_get_value_double(env, value, &number) != napi_ok ||
      !(number >= 0 && number <= (double)most) || (double)(uint64_t)number != number) {
    throw_argument(env, "not a whole number in range");
    return false;
  }
  *out = (uint64_t)number;
  return true;
}

static inline bool is_function(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_function;
}

// After a callback that failed: what it threw is uncaught, since no JavaScript is below us.
static inline void rethrow(napi_env env) {
  napi_value exception;
  bool is_pending = false;
  if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    napi_fatal_exception(env, exception);
  }
}

#define METHOD(name, function) {name, NULL, function, NULL, NULL, NULL, napi_enumerable, NULL}

#endif
