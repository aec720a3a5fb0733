/*
 * Which of its faults does a failing seed need? Leaves out more and more of them while the verdict
 * stays the same (delta debugging: Zeller and Hildebrandt, "Simplifying and isolating
 * failure-inducing input", 2002), and prints what remains, with the end of the trace.
 */
#ifndef SYNOD_SIM_MINIMISE_H
#define SYNOD_SIM_MINIMISE_H

#include "scene.h"

/*
 * The verdict of the seed as it is. trace_lines: how much of the trace's end is printed; runs_max:
 * attempts.
 */
enum verdict minimise(const struct scene_options *options, uint32_t runs_max, uint32_t trace_lines);

#endif
