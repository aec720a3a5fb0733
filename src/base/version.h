/* The version of everything in this tree. */
#ifndef SYNOD_BASE_VERSION_H
#define SYNOD_BASE_VERSION_H

#define SYNOD_VERSION "0.1.0"

#endif
