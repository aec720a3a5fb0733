/*
 * output: stdout of a program that says truly whether what it printed has arrived.
 *
 * stdio forgets why a write failed, and most programs never ask. After output_begin() every write
 * to stdout, by whichever function, goes through here: the first error is kept, and what follows it
 * is dropped, so that nothing stands behind a gap. A reader that has gone (EPIPE) is an error like
 * any other here, and no signal; what it means is up to the program.
 *
 * Descriptors 0, 1 and 2 that were closed when the program started are opened on /dev/null, stdin
 * and stdout in the wrong direction (EBADF): otherwise the next socket or file would get the
 * number, and what is printed would go there. A file that may not grow further (ulimit -f) gives
 * EFBIG, and no signal.
 *
 * For one thread at a time, as the output of a command line program is. State of the process: one
 * output, never freed.
 */
#ifndef SYNOD_BASE_OUTPUT_H
#define SYNOD_BASE_OUTPUT_H

/* Exit code of our programs after "done, but what it printed could not be written". */
#define EXIT_NOT_PRINTED 6

/* Before the first use of stdout, and before anything is opened. */
void output_begin(void);
/*
 * The errno of the first write that failed since the last output_end(); 0: none so far. Does not
 * flush.
 */
int output_error(void);
/*
 * The same has happened to somebody who prints on our behalf, such as a child process; 0: nothing.
 */
void output_failed(int error);
/* Flushes. Returns that errno, 0 if everything has been written, and starts over. */
int output_end(void);
/*
 * The same, and closes stdout: some file systems tell of a full disk only then. Nothing may be
 * printed afterwards.
 */
int output_close(void);
/*
 * The end of a program: closes stdout. exit_code, if all was written or the reader has gone or
 * exit_code says of a failure already; otherwise EXIT_NOT_PRINTED. Whatever could not be written is
 * said on stderr: "PROGRAM: WHAT: No space left on device".
 */
int output_exit_code(int exit_code, const char *program, const char *what);

#endif
