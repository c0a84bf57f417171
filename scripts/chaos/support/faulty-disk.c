/*
 * Lets the n-th call to the disk fail: preloaded before the C library, so that it is between it and everything that writes files here,
 * JavaScript, SQLite and DuckDB alike. Calls count when they concern a path below FAULT_ROOT. FAULT_CONTROL names a file of 24 bytes
 * that whoever tests has mapped by writing to it: calls counted so far, the call that fails (0: none), how it fails, how often it did.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MODE_EIO = 1, MODE_ENOSPC = 2, MODE_SHORT = 3, MODE_KILL = 4, MODE_OUTAGE = 5 };
enum { FDS = 65536 };

struct control {
  int64_t calls;
  int64_t at;
  int32_t mode;
  int32_t hits;
};

static struct control *control;
static const char *root;
static size_t root_length;
static unsigned char tracked[FDS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULT_CONTROL");
  root = getenv("FAULT_ROOT");
  if (path == NULL || root == NULL) return;
  root_length = strlen(root);
  int fd = REAL(open)(path, O_RDWR);
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  REAL(close)(fd);
  if (map != MAP_FAILED) control = map;
}

static int concerns(const char *path) { return control != NULL && path != NULL && strncmp(path, root, root_length) == 0; }
static int follows(int fd) { return control != NULL && fd >= 0 && fd < FDS && tracked[fd]; }

/* What this call has to do: 0 go on, else the mode in which it fails. */
static int count(void) {
  int64_t at = __atomic_load_n(&control->at, __ATOMIC_SEQ_CST);
  int64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
  int mode = control->mode;
  if (at == 0 || call < at) return 0;
  /* A disk that fills up in the middle of a write stays full for the next call too; one that is gone stays gone. */
  if (mode == MODE_SHORT && call > at + 1) return 0;
  if (mode != MODE_OUTAGE && mode != MODE_SHORT && call > at) return 0;
  __atomic_add_fetch(&control->hits, 1, __ATOMIC_SEQ_CST);
  return mode;
}

static int first(void) { return __atomic_load_n(&control->hits, __ATOMIC_SEQ_CST) <= 1; }

static int refused(int mode) {
  if (mode == MODE_KILL) kill(getpid(), SIGKILL);
  errno = mode == MODE_ENOSPC || mode == MODE_SHORT ? ENOSPC : EIO;
  return -1;
}

/* A call that writes nothing: makes, renames, removes or flushes. */
#define GUARD(is_ours, call)                                  \
  do {                                                        \
    if (is_ours) {                                            \
      int mode = count();                                     \
      if (mode != 0) return refused(mode);                    \
    }                                                         \
    return call;                                              \
  } while (0)

/* A call that writes `length` bytes: half of them arrive where the disk fills up or the process dies in the middle. */
#define GUARD_WRITE(fd, length, whole, half)                  \
  do {                                                        \
    if (follows(fd)) {                                        \
      int mode = count();                                     \
      if (mode != 0) {                                        \
        if ((mode == MODE_SHORT && first()) || mode == MODE_KILL) { \
          ssize_t written = (length) > 1 ? half : -1;         \
          if (mode == MODE_SHORT && written > 0) return written; \
        }                                                     \
        return refused(mode);                                 \
      }                                                       \
    }                                                         \
    return whole;                                             \
  } while (0)

/* Reads do not fail on a full disk. */
#define GUARD_READ(fd, call)                                  \
  do {                                                        \
    if (follows(fd)) {                                        \
      int mode = count();                                     \
      if (mode == MODE_EIO || mode == MODE_OUTAGE || mode == MODE_KILL) return refused(mode); \
    }                                                         \
    return call;                                              \
  } while (0)

static int opened(int fd, int ours) {
  if (fd >= 0 && fd < FDS) tracked[fd] = (unsigned char)ours;
  return fd;
}

#define OPEN(name)                                            \
  int name(const char *path, int flags, ...) {                \
    va_list rest;                                             \
    va_start(rest, flags);                                    \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                             \
    int ours = concerns(path);                                \
    if (ours) {                                               \
      int fault = count();                                    \
      if (fault != 0 && !((fault == MODE_ENOSPC || fault == MODE_SHORT) && !(flags & O_CREAT))) return refused(fault); \
    }                                                         \
    return opened(REAL(name)(path, flags, mode), ours);       \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  if (fd >= 0 && fd < FDS) tracked[fd] = 0;
  return REAL(close)(fd);
}

ssize_t read(int fd, void *to, size_t n) { GUARD_READ(fd, REAL(read)(fd, to, n)); }
ssize_t pread(int fd, void *to, size_t n, off_t at) { GUARD_READ(fd, REAL(pread)(fd, to, n, at)); }
ssize_t pread64(int fd, void *to, size_t n, off64_t at) { GUARD_READ(fd, REAL(pread64)(fd, to, n, at)); }

ssize_t write(int fd, const void *from, size_t n) { GUARD_WRITE(fd, n, REAL(write)(fd, from, n), REAL(write)(fd, from, n / 2)); }
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) {
  GUARD_WRITE(fd, n, REAL(pwrite)(fd, from, n, at), REAL(pwrite)(fd, from, n / 2, at));
}
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) {
  GUARD_WRITE(fd, n, REAL(pwrite64)(fd, from, n, at), REAL(pwrite64)(fd, from, n / 2, at));
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
  GUARD_WRITE(fd, (size_t)n, REAL(writev)(fd, parts, n), REAL(writev)(fd, parts, n / 2));
}
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) {
  GUARD_WRITE(fd, (size_t)n, REAL(pwritev)(fd, parts, n, at), REAL(pwritev)(fd, parts, n / 2, at));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t at) {
  GUARD_WRITE(fd, (size_t)n, REAL(pwritev64)(fd, parts, n, at), REAL(pwritev64)(fd, parts, n / 2, at));
}

int fsync(int fd) { GUARD(follows(fd), REAL(fsync)(fd)); }
int fdatasync(int fd) { GUARD(follows(fd), REAL(fdatasync)(fd)); }
int ftruncate(int fd, off_t size) { GUARD(follows(fd), REAL(ftruncate)(fd, size)); }
int ftruncate64(int fd, off64_t size) { GUARD(follows(fd), REAL(ftruncate64)(fd, size)); }
int rename(const char *from, const char *to) { GUARD(concerns(from), REAL(rename)(from, to)); }
int unlink(const char *path) { GUARD(concerns(path), REAL(unlink)(path)); }
int remove(const char *path) { GUARD(concerns(path), REAL(remove)(path)); }
int rmdir(const char *path) { GUARD(concerns(path), REAL(rmdir)(path)); }
int mkdir(const char *path, mode_t mode) { GUARD(concerns(path), REAL(mkdir)(path, mode)); }
