/* A disk that can fail, between SQLite and the real one (LD_PRELOAD).
 *
 * CHAOS_DISK names a file of one page; its first byte says what happens to the database's files:
 *   0  nothing          F  full: they can't grow (ENOSPC)      R  read-only (EROFS)
 *   H  hangs: every access waits until the byte changes        E  syncs fail (EIO)
 *   h  reads hang
 * CHAOS_JOURNAL names a file to which every change and every sync is written down, see `disk.py`.
 */
#define _GNU_SOURCE
#define _LARGEFILE64_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static volatile char *mode = NULL;
static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("CHAOS_DISK");
    if (path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        if (fd >= 0) {
            void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
            if (page != MAP_FAILED) mode = page;
            syscall(SYS_close, fd);
        }
    }
    path = getenv("CHAOS_JOURNAL");
    if (path) journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static char now(void) { return mode ? *mode : '0'; }

static uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The file's name if it is one of the database's. */
static const char *name_of(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    return strncmp(name, "kith.sqlite", 11) == 0 ? name : NULL;
}

static const char *watched(int fd, char *path, size_t size) {
    char link[48];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0) return NULL;
    path[length] = 0;
    return name_of(path);
}

static void hang(char too) {
    while (now() == 'H' || now() == too) {
        struct timespec moment = {0, 2000000};
        nanosleep(&moment, NULL);
    }
}

struct record {
    uint64_t done, begun, offset;
    uint32_t length;
    char op, name[27];
};

static void write_down(char op, const char *name, uint64_t begun, uint64_t offset, const void *data, size_t length) {
    if (journal < 0) return;
    size_t named = strlen(name);
    if (named >= 4 && strcmp(name + named - 4, "-shm") == 0) return; /* rebuilt at each start */
    struct record record = {0, begun, offset, (uint32_t)length, op, ""};
    strncpy(record.name, name, sizeof record.name - 1);
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)data, data ? length : 0}};
    pthread_mutex_lock(&lock);
    record.done = clock_ns();
    if (syscall(SYS_writev, journal, parts, 2) < 0) abort();
    pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
    char path[4096];
    const char *name = watched(fd, path, sizeof path);
    if (name) {
        hang('H');
        struct stat64 found;
        if (now() == 'R') return errno = EROFS, -1;
        if (now() == 'F' && fstat64(fd, &found) == 0 && offset + (off64_t)count > found.st_size)
            return errno = ENOSPC, -1;
    }
    uint64_t begun = clock_ns();
    ssize_t done = REAL(pwrite64)(fd, data, count, offset);
    if (name && done > 0) write_down('W', name, begun, (uint64_t)offset, data, (size_t)done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) { return pwrite64(fd, data, count, offset); }

ssize_t pread64(int fd, void *data, size_t count, off64_t offset) {
    char path[4096];
    if ((now() | 0x20) == 'h' && watched(fd, path, sizeof path)) hang('h');
    return REAL(pread64)(fd, data, count, offset);
}

ssize_t pread(int fd, void *data, size_t count, off_t offset) { return pread64(fd, data, count, offset); }

int ftruncate64(int fd, off64_t length) {
    char path[4096];
    const char *name = watched(fd, path, sizeof path);
    if (name) {
        hang('H');
        struct stat64 found;
        if (now() == 'R') return errno = EROFS, -1;
        if (now() == 'F' && fstat64(fd, &found) == 0 && length > found.st_size) return errno = ENOSPC, -1;
    }
    uint64_t begun = clock_ns();
    int done = REAL(ftruncate64)(fd, length);
    if (name && done == 0) write_down('T', name, begun, (uint64_t)length, NULL, 0);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_with(int (*real)(int), int fd) {
    char path[4096];
    const char *name = watched(fd, path, sizeof path);
    if (name) {
        hang('H');
        if (now() == 'E') return errno = EIO, -1;
    }
    uint64_t begun = clock_ns();
    int done = real(fd);
    if (name && done == 0) write_down('S', name, begun, 0, NULL, 0);
    return done;
}

int fsync(int fd) { return sync_with(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }

int unlink(const char *path) {
    const char *name = name_of(path);
    if (name) {
        hang('H');
        if (now() == 'R') return errno = EROFS, -1;
    }
    uint64_t begun = clock_ns();
    int done = REAL(unlink)(path);
    if (name && done == 0) write_down('U', name, begun, 0, NULL, 0);
    return done;
}

static int open_with(const char *path, int flags, mode_t rights) {
    if (name_of(path)) {
        hang('H');
        struct stat64 found;
        if (now() == 'R' && (flags & (O_WRONLY | O_RDWR | O_CREAT))) return errno = EROFS, -1;
        if (now() == 'F' && (flags & O_CREAT) && stat64(path, &found) != 0) return errno = ENOSPC, -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, rights);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t rights = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_with(path, flags | O_LARGEFILE, rights);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t rights = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_with(path, flags, rights);
}
