// The Nitro Security Module for Node: one request to /dev/nsm, off the main thread. Beside it, what
// only the enclave's start needs of the kernel: no core dumps, no tracing, the clock. Requests are
// bytes here; their meaning is TypeScript's. It must never block the event loop, never read bytes
// that JavaScript may still change, and never report more bytes than the device has written.
// There are no globals.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"

// include/uapi/linux/nsm.h of Linux. A response that is longer than the buffer is cut without a
// word, so the buffer is always as large as a response can be.
#define NSM_REQUEST_BYTES_MAX 0x1000
#define NSM_RESPONSE_BYTES_MAX 0x3000

typedef struct {
  uint64_t request_address;
  uint64_t request_bytes;
  uint64_t response_address;
  uint64_t response_bytes;
} nsm_message;

#define NSM_IOCTL _IOWR(0x0A, 0x0, nsm_message)
_Static_assert(NSM_IOCTL == 0xC0200A00, "the ioctl of /dev/nsm");

#define PATH_BYTES_MAX 108
// 9999-12-31: beyond it a date is a bug.
#define UNIX_MS_MAX 253402300799999

// open(path) -> fd

static napi_value nsm_open(napi_env env, napi_callback_info info) {
  napi_value value;
  char path[PATH_BYTES_MAX];
  size_t length;
  if (!read_arguments(env, info, 1, &value)) return NULL;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length == 0 ||
      length >= sizeof path ||
      napi_get_value_string_utf8(env, value, path, sizeof path, &length) != napi_ok ||
      strlen(path) != length) {
    return throw_argument(env, "not a path");
  }
  int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return throw_errno(env, "open", errno);
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISCHR(status.st_mode)) {
    close(fd);
    return throw_errno(env, "not a device", ENODEV);
  }
  napi_value result;
  if (napi_create_int32(env, fd, &result) != napi_ok) {
    close(fd);
    return NULL;
  }
  return result;
}

// request(fd, bytes, callback)
//
// One `question` per call, on the heap, with its own buffers; freed in one place (on_done), which
// Node calls in every case, also when the environment ends.

typedef struct {
  napi_ref callback;
  napi_async_work work;
  int fd;
  int error;  // errno of the request, 0 when there is a response
  size_t request_bytes;
  size_t response_bytes;
  uint8_t request[NSM_REQUEST_BYTES_MAX];
  uint8_t response[NSM_RESPONSE_BYTES_MAX];
} question;

// On a thread of the pool: no JavaScript here. The driver holds a lock and waits for at most two
// minutes (drivers/misc/nsm.c).
static void on_thread(napi_env env, void *data) {
  (void)env;
  question *self = data;
  nsm_message message = {
      .request_address = (uintptr_t)self->request,
      .request_bytes = self->request_bytes,
      .response_address = (uintptr_t)self->response,
      .response_bytes = sizeof self->response,
  };
  // Never a second time, whatever the error: a register may have been extended already.
  if (ioctl(self->fd, NSM_IOCTL, &message) < 0) {
    self->error = errno;
  } else if (message.response_bytes == 0 || message.response_bytes > sizeof self->response) {
    self->error = EBADMSG;
  } else {
    self->response_bytes = (size_t)message.response_bytes;
  }
}

// callback(null, Uint8Array) or callback(code, null)
static void tell(napi_env env, const question *self) {
  char code[ERROR_CODE_BYTES];
  void *bytes;
  napi_value function, receiver, buffer, arguments[2];
  if (self->error == 0) {
    if (napi_get_null(env, &arguments[0]) != napi_ok ||
        napi_create_arraybuffer(env, self->response_bytes, &bytes, &buffer) != napi_ok) {
      return;
    }
    memcpy(bytes, self->response, self->response_bytes);
    if (napi_create_typedarray(env, napi_uint8_array, self->response_bytes, buffer, 0,
                               &arguments[1]) != napi_ok) {
      return;
    }
  } else {
    write_code(self->error, code);
    if (napi_create_string_latin1(env, code, NAPI_AUTO_LENGTH, &arguments[0]) != napi_ok ||
        napi_get_null(env, &arguments[1]) != napi_ok) {
      return;
    }
  }
  if (napi_get_reference_value(env, self->callback, &function) != napi_ok || function == NULL ||
      napi_get_global(env, &receiver) != napi_ok) {
    return;
  }
  if (napi_call_function(env, receiver, function, 2, arguments, NULL) != napi_ok) rethrow(env);
}

static void discard(napi_env env, question *self) {
  if (self->work != NULL) napi_delete_async_work(env, self->work);
  if (self->callback != NULL) napi_delete_reference(env, self->callback);
  // Random bytes and keys' documents pass here.
  explicit_bzero(self, sizeof *self);
  free(self);
}

static void on_done(napi_env env, napi_status status, void *data) {
  question *self = data;
  if (status != napi_ok) self->error = ECANCELED;
  tell(env, self);
  discard(env, self);
}

static napi_value nsm_request(napi_env env, napi_callback_info info) {
  napi_value values[3], name;
  uint64_t fd;
  bool is_typed_array = false;
  napi_typedarray_type type;
  size_t length;
  void *bytes;
  if (!read_arguments(env, info, 3, values) || !read_integer(env, values[0], INT_MAX, &fd)) {
    return NULL;
  }
  if (napi_is_typedarray(env, values[1], &is_typed_array) != napi_ok || !is_typed_array ||
      napi_get_typedarray_info(env, values[1], &type, &length, &bytes, NULL, NULL) != napi_ok ||
      type != napi_uint8_array || bytes == NULL || length == 0 || length > NSM_REQUEST_BYTES_MAX) {
    return throw_argument(env, "not a Uint8Array of 1 to 4096 bytes");
  }
  if (!is_function(env, values[2])) return throw_argument(env, "not a function");
  question *self = calloc(1, sizeof *self);
  if (self == NULL) return throw_errno(env, "calloc", ENOMEM);
  self->fd = (int)fd;
  self->request_bytes = length;
  memcpy(self->request, bytes, length);
  if (napi_create_reference(env, values[2], 1, &self->callback) != napi_ok ||
      napi_create_string_latin1(env, "nsm.request", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, NULL, name, on_thread, on_done, self, &self->work) != napi_ok ||
      napi_queue_async_work(env, self->work) != napi_ok) {
    discard(env, self);
    return throw_errno(env, "queue", ENOMEM);
  }
  return NULL;
}

// hardenProcess(): no core dump, not even after a crash, and no other process may attach or read
// this one's memory.
static napi_value nsm_harden_process(napi_env env, napi_callback_info info) {
  const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  if (!read_arguments(env, info, 0, NULL)) return NULL;
  if (setrlimit(RLIMIT_CORE, &none) != 0) return throw_errno(env, "setrlimit", errno);
  if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) return throw_errno(env, "prctl", errno);
  return NULL;
}

// setClock(unixMs)
static napi_value nsm_set_clock(napi_env env, napi_callback_info info) {
  napi_value value;
  uint64_t unix_ms;
  if (!read_arguments(env, info, 1, &value) || !read_integer(env, value, UNIX_MS_MAX, &unix_ms)) {
    return NULL;
  }
  const struct timespec time = {
      .tv_sec = (time_t)(unix_ms / 1000),
      .tv_nsec = (long)(unix_ms % 1000 * 1000000),
  };
  if (clock_settime(CLOCK_REALTIME, &time) != 0) return throw_errno(env, "clock_settime", errno);
  return NULL;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor methods[] = {
      METHOD("open", nsm_open),
      METHOD("request", nsm_request),
      METHOD("hardenProcess", nsm_harden_process),
      METHOD("setClock", nsm_set_clock),
  };
  if (napi_define_properties(env, exports, sizeof methods / sizeof *methods, methods) != napi_ok) {
    return NULL;
  }
  return exports;
}
