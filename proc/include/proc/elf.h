#ifndef PROC_ELF_H
#define PROC_ELF_H

/*
 * Reading and checking static ELF64 executables (System V gABI 4.1, chapters 4 and 5; x86-64
 * psABI). Pure.
 */

#include <kernel/types.h>

#define ELF_SEGMENTS_MAX 16

struct elf_segment {
    vaddr_t va;      /* of the first byte; any alignment, congruent to the file offset */
    size_t nr_bytes; /* in memory */
    size_t file_offset;
    size_t nr_file_bytes; /* <= nr_bytes; the rest is zero */
    bool is_writable, is_executable;
};

struct elf_image {
    vaddr_t entry;
    vaddr_t phdr_va; /* where the program headers are in memory; 0: nowhere */
    unsigned nr_phdrs;
    unsigned nr_segments;
    struct elf_segment segments[ELF_SEGMENTS_MAX]; /* by address; no two share a page */
};

/*
 * Checks the file, of whose nr_bytes the first nr_head_bytes are at `head`, and fills `image`. The
 * program headers lie in those. Every segment lies in [low, high) and in the file; the
 * entry point is in an executable segment; no segment is writable and executable. 0, or -ENOEXEC
 * with *why saying what is wrong.
 */
int elf_parse(const void *head, size_t nr_head_bytes, size_t nr_bytes, vaddr_t low, vaddr_t high,
              struct elf_image *image, const char **why) MUST_CHECK;

#endif
