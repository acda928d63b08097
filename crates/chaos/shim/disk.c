/* A disk that forgets what was not synced, and that can be full: loaded into a server with LD_PRELOAD.
 *
 * It watches the files below CHAOS_DISK_FOLDER. What a power cut would leave of them is kept in CHAOS_DISK_SHADOW:
 *
 *   data/<inode>   what of a file's content is durable: brought up to date whenever the file is synced
 *   keep/<inode>   a second name for the file, so that its inode number is not given to another one
 *   journal        what names are durable: each sync of a folder appends the names that it has then
 *
 * After the server was killed, the folder is put back to that (src/disk.rs). Without CHAOS_DISK_SHADOW nothing is kept.
 * While the first byte of CHAOS_DISK_CONTROL is 1, the disk is full: a file cannot grow.
 *
 * What is not synced is lost entirely: the worst that a disk may do. A file is copied before it is synced, so the
 * shadow never holds more than the program has a right to rely on, plus writes that a disk may have done early. Where
 * it is not known what changed since the last sync (written through stdio, or by an earlier process), everything is
 * copied. sync_file_range and O_DSYNC make nothing durable here, which errs on the safe side. Files that are mapped and
 * written through memory are not supported. System calls are made directly, so that nothing here calls itself. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_FILES 1024
#define EVERYTHING ((off_t)LLONG_MAX)

struct file {
    ino_t inode;
    int from, to;      /* the file and its durable content */
    off_t begin, end;  /* what was written since the last sync; nothing when begin == end */
};

static char folder[PATH_MAX], shadow[PATH_MAX];
static size_t folder_length;
static const volatile unsigned char *control;
static struct file files[MAX_FILES];
static int file_count;
static int wrote_short;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void give_up(const char *what) {
    char text[256];
    int length = snprintf(text, sizeof text, "disk shim: %s: %s\n", what, strerror(errno));
    syscall(SYS_write, 2, text, length);
    abort();
}

static void lock_all(void) { pthread_mutex_lock(&lock); }
static void unlock_all(void) { pthread_mutex_unlock(&lock); }

__attribute__((constructor)) static void start(void) {
    const char *watched = getenv("CHAOS_DISK_FOLDER"), *kept = getenv("CHAOS_DISK_SHADOW");
    const char *steered = getenv("CHAOS_DISK_CONTROL");
    if (!watched || !realpath(watched, folder)) return;
    folder_length = strlen(folder);
    if (kept && !realpath(kept, shadow)) give_up("no shadow folder");
    if (steered) {
        int fd = syscall(SYS_openat, AT_FDCWD, steered, O_RDONLY | O_CLOEXEC);
        if (fd < 0) give_up("no control file");
        void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED) give_up("control file cannot be mapped");
        control = page;
        syscall(SYS_close, fd);
    }
    pthread_atfork(lock_all, unlock_all, unlock_all);
}

/* Whether an open file is below the folder; its path, where it still has one. */
static int watched_path(int fd, char *path) {
    char link[64];
    if (!folder_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static void shadow_path(char *path, const char *kind, ino_t inode) {
    if (snprintf(path, PATH_MAX, "%s/%s/%llu", shadow, kind, (unsigned long long)inode) >= PATH_MAX) give_up("path");
}

/* Gives a file its second name. One without any name left, or whose name goes meanwhile, needs none. */
static int keep(const char *path, ino_t inode) {
    char name[PATH_MAX];
    shadow_path(name, "keep", inode);
    return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, name, 0) == 0 || errno == EEXIST;
}

/* The entry of a regular file below the folder, made when it is first met; NULL for anything else. Under the lock. */
static struct file *entry(int fd, const struct stat *stat) {
    char path[PATH_MAX];
    for (int i = 0; i < file_count; i++)
        if (files[i].inode == stat->st_ino) return &files[i];
    if (!*shadow || !watched_path(fd, path) || !keep(path, stat->st_ino)) return NULL;
    if (file_count == MAX_FILES) give_up("too many files");
    struct file *file = &files[file_count];
    shadow_path(path, "keep", stat->st_ino);
    file->from = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    shadow_path(path, "data", stat->st_ino);
    file->to = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file->from < 0 || file->to < 0) give_up("file cannot be shadowed");
    file->inode = stat->st_ino;
    file->begin = 0;
    file->end = EVERYTHING;
    file_count++;
    return file;
}

static void wrote(int fd, off_t begin, off_t end) {
    struct stat stat;
    if (!*shadow || end <= begin || fstat(fd, &stat) || !S_ISREG(stat.st_mode)) return;
    int before = errno;
    lock_all();
    struct file *file = entry(fd, &stat);
    if (file && file->begin == file->end) file->begin = begin, file->end = end;
    if (file && begin < file->begin) file->begin = begin;
    if (file && end > file->end) file->end = end;
    unlock_all();
    errno = before;
}

static void copy(int from, int to, off_t begin, off_t end) {
    char block[65536];
    while (begin < end) {
        size_t want = end - begin < (off_t)sizeof block ? (size_t)(end - begin) : sizeof block;
        ssize_t got = syscall(SYS_pread64, from, block, want, begin);
        if (got < 0) give_up("file cannot be read");
        if (got == 0) return;
        if (syscall(SYS_pwrite64, to, block, got, begin) != got) give_up("shadow cannot be written");
        begin += got;
    }
}

/* Makes durable what a file holds now. */
static void file_synced(int fd, const struct stat *stat) {
    lock_all();
    struct file *file = entry(fd, stat);
    if (file) {
        struct stat now;
        int unknown = file->begin == file->end;
        off_t begin = unknown ? 0 : file->begin, end = unknown ? EVERYTHING : file->end;
        file->begin = file->end = 0;
        if (fstat(file->from, &now)) give_up("file cannot be looked at");
        copy(file->from, file->to, begin, end);
        struct stat kept;
        if (fstat(file->to, &kept)) give_up("shadow cannot be looked at");
        if (kept.st_size > now.st_size && syscall(SYS_ftruncate, file->to, now.st_size)) give_up("shadow cannot shrink");
    }
    unlock_all();
}

/* Makes durable the names that a folder has now: one block of lines, appended at once. */
static void folder_synced(int fd) {
    char path[PATH_MAX], name[PATH_MAX * 2];
    static char text[1 << 16];
    if (!*shadow || !watched_path(fd, path)) return;
    lock_all();
    int length = snprintf(text, sizeof text, "D %s\n", path[folder_length] ? path + folder_length + 1 : "");
    DIR *listing = opendir(path);
    struct dirent *found;
    while (listing && (found = readdir(listing))) {
        struct stat stat;
        snprintf(name, sizeof name, "%s/%s", path, found->d_name);
        if (lstat(name, &stat) || !S_ISREG(stat.st_mode) || !keep(name, stat.st_ino)) continue;
        length += snprintf(text + length, sizeof text - length, "F %llu %s\n", (unsigned long long)stat.st_ino,
                           found->d_name);
        if ((size_t)length + PATH_MAX > sizeof text) give_up("folder too large");
    }
    if (listing) closedir(listing);
    length += snprintf(text + length, sizeof text - length, "E\n");
    snprintf(name, sizeof name, "%s/journal", shadow);
    int journal = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (journal < 0 || syscall(SYS_write, journal, text, length) != length) give_up("journal cannot be written");
    syscall(SYS_close, journal);
    unlock_all();
}

static void synced(int fd) {
    struct stat stat;
    int before = errno;
    if (*shadow && !fstat(fd, &stat)) {
        if (S_ISREG(stat.st_mode)) file_synced(fd, &stat);
        if (S_ISDIR(stat.st_mode)) folder_synced(fd);
    }
    errno = before;
}

/* Whether `end` is more than the full disk has room for. As on a real one, the write that finds it full is cut short
 * first, and the next one fails. */
static int full(int fd, off_t end) {
    char path[PATH_MAX];
    struct stat stat;
    if (!control || *control != 1) {
        wrote_short = 0;
        return 0;
    }
    return !fstat(fd, &stat) && S_ISREG(stat.st_mode) && watched_path(fd, path) && end > stat.st_size;
}

static ssize_t refuse(void) {
    errno = ENOSPC;
    return -1;
}

/* Where a plain write would begin. */
static off_t position(int fd) {
    struct stat stat;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND)) return fstat(fd, &stat) ? 0 : stat.st_size;
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : at;
}

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

static int is_file(int fd) {
    struct stat stat;
    return folder_length && !fstat(fd, &stat) && S_ISREG(stat.st_mode);
}

EXPORT ssize_t write(int fd, const void *bytes, size_t count) {
    if (!is_file(fd)) return syscall(SYS_write, fd, bytes, count);
    off_t begin = position(fd);
    if (full(fd, begin + (off_t)count)) {
        if (wrote_short || count < 2) return refuse();
        wrote_short = 1;
        count /= 2;
    }
    ssize_t done = syscall(SYS_write, fd, bytes, count);
    if (done > 0) wrote(fd, begin, position(fd));
    return done;
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    if (full(fd, at + (off_t)count)) return refuse();
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, count, at);
    if (done > 0) wrote(fd, at, at + done);
    return done;
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!is_file(fd)) return syscall(SYS_writev, fd, parts, count);
    off_t begin = position(fd);
    if (full(fd, begin + (off_t)total(parts, count))) return refuse();
    ssize_t done = syscall(SYS_writev, fd, parts, count);
    if (done > 0) wrote(fd, begin, position(fd));
    return done;
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    if (full(fd, at + (off_t)total(parts, count))) return refuse();
    ssize_t done = syscall(SYS_pwritev, fd, parts, count, (long)at, 0L);
    if (done > 0) wrote(fd, at, at + done);
    return done;
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return pwritev64(fd, parts, count, at);
}

EXPORT int ftruncate64(int fd, off64_t length) {
    if (full(fd, length)) return (int)refuse();
    int failed = syscall(SYS_ftruncate, fd, length);
    if (!failed) wrote(fd, 0, EVERYTHING);
    return failed;
}

EXPORT int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

EXPORT int posix_fallocate64(int fd, off64_t at, off64_t length) {
    if (full(fd, at + length)) return ENOSPC;
    if (!syscall(SYS_fallocate, fd, 0, at, length)) {
        wrote(fd, at, at + length);
        return 0;
    }
    return errno;
}

EXPORT int posix_fallocate(int fd, off_t at, off_t length) { return posix_fallocate64(fd, at, length); }

EXPORT int fsync(int fd) {
    synced(fd);
    return syscall(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd) {
    synced(fd);
    return syscall(SYS_fdatasync, fd);
}
