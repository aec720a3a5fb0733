# make              build everything into build/
# make check        run every fast test suite (what scripts/test.sh runs)
# make unit         run the unit and scenario tests only;
#                   TESTS="tests/unit/base/test_map.c …" runs just these
# make layers       check which parts of the source include which
# make asan         make check under the address and undefined-behaviour
#                   sanitizers, in build/asan
# make tsan         the suites of what threads share under the thread sanitizer, in build/tsan
# make sim          simulate clusters under faults: SEED=7 or SEEDS=1..20,
#                   SIM_FLAGS="--seconds 60"
# make fuzz         fuzz everything that reads foreign bytes with clang: each
#                   target of tests/fuzz, or FUZZ="wal wire", for FUZZ_S=60 s
# make bench        build and run the benchmarks of single modules
# make install      PREFIX=/usr/local DESTDIR=: programs, libsynod, synod.h,
#                   pkg-config file
# make format       format the sources with clang-format
# make tidy         lint scripts with shellcheck and sources with clang-tidy: the
#                   parts of src/ that are clean, or TIDY="host rsm"
# make clean        remove build/
# make help         this list
#
# Variables: V=1 (show commands) BUILD=build CC=gcc OPT=-O2 SANITIZE= CFLAGS=
#            LDFLAGS= TEST_JOBS= (suites at a time; default: the processors)

VERSION := 1.0.0
BUILD ?= build
PREFIX ?= /usr/local
OPT ?= -O2
SANITIZE ?=
ifeq ($(origin CC),default)
CC := gcc
endif

PACKAGES := libevent inih jansson libzstd
# protobuf-c describes the messages to proto/generate.c, and is what the tests hold the generated code against.
PB_PACKAGES := libprotobuf-c
TEST_PACKAGES := check

# What is missing is said before anything is compiled, and with the way to get it.
GOALS := $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out clean help format layers,$(GOALS)),)
NEEDED := $(PACKAGES) $(PB_PACKAGES) $(if $(filter check unit tests asan tsan,$(GOALS)),$(TEST_PACKAGES))
MISSING := $(shell for tool in $(CC) pkg-config protoc-c; do \
	command -v $$tool >/dev/null || echo $$tool; done; \
	for package in $(NEEDED); do \
	pkg-config --exists $$package 2>/dev/null || echo $$package; done)
ifneq ($(strip $(MISSING)),)
$(error not installed: $(strip $(MISSING)). Run scripts/setup.sh$(if $(filter $(TEST_PACKAGES),$(MISSING)), --tests)$(if $(filter clang,$(MISSING)), --dev) to install what is missing)
endif
endif

# The folders of src/: FLOOR/ROOM.
ROOMS := $(shell sed -nE 's|^([a-z]+) +([a-z]+).*|\1/\2|p' src/floors)
FLOORS := $(sort $(patsubst %/,%,$(dir $(ROOMS))))

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDENING := $(if $(SANITIZE),,-fstack-protector-strong $(if $(filter -O2 -O3,$(OPT)),-D_FORTIFY_SOURCE=2))
# Everything is position independent, so that the same objects make libsynod.so.
CFLAGS_ALL := -std=gnu11 $(OPT) -g -fno-omit-frame-pointer -fno-strict-aliasing -fPIC -fno-semantic-interposition \
	-D_GNU_SOURCE -DSYNOD_RELEASE='"$(VERSION)"' $(WARNINGS) $(HARDENING) $(SANITIZE) \
	-Iinclude $(FLOORS:%=-Isrc/%) -I$(BUILD)/gen $(shell pkg-config --cflags $(PACKAGES) $(PB_PACKAGES) 2>/dev/null) $(CFLAGS)
LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lpthread -lm
CHECK_LIBS = $(shell pkg-config --libs $(TEST_PACKAGES) $(PB_PACKAGES))

PROTOS := $(wildcard proto/*.proto)
# protoc-c describes the messages, proto/generate makes of that what reads and writes them.
PB_C := $(PROTOS:proto/%.proto=$(BUILD)/gen/%.pb-c.c)
WIRE_C := $(PROTOS:proto/%.proto=$(BUILD)/gen/wire/%.gen.c)
GEN_C := $(PB_C) $(WIRE_C)
SRC := $(foreach room,$(ROOMS),$(wildcard src/$(room)/*.c))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
LIB := $(BUILD)/lib/libsynod-all.a

# A program is a file of cmd/ or cmd/NAME/ that defines main(); what the others define, every program may use.
CMD_SRC := $(wildcard cmd/*.c cmd/*/*.c)
CMD_MAIN := $(if $(CMD_SRC),$(shell grep -lE '^int main\>' $(CMD_SRC)))
CMD_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(CMD_MAIN),$(CMD_SRC)))
CMD_LIB := $(if $(CMD_OBJ),$(BUILD)/lib/libcmd.a)
program_of = $(BUILD)/bin/$(patsubst %/main,%,$(patsubst cmd/%.c,%,$(1)))
BINS := $(foreach main,$(CMD_MAIN),$(call program_of,$(main)))

# A test program is a test_*.c; the other sources beside it are linked into it, and those in tests/unit/support
# into whichever uses them.
TESTS ?= $(wildcard tests/unit/*/test_*.c tests/scenario/test_*.c tests/sim/test_*.c)
TEST_BIN := $(TESTS:%.c=$(BUILD)/%)
# What the system tests run against a cluster: a program for each file.
SYSTEM_BIN := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/system/*.c))
TEST_SCRIPTS := $(shell for script in tests/model/test_*.py tests/unit/*/*.sh tests/scenario/*.sh tests/sim/*.sh tests/bench/instructions.sh tests/bench/docs.sh; do if [ -x $$script ]; then echo $$script; fi; done)
SYSTEM_SCRIPTS := $(shell for script in tests/system/*.sh tests/bench/copies.sh; do if [ -x $$script ]; then echo $$script; fi; done)
SYSTEM_TESTS := $(sort $(foreach script,$(SYSTEM_SCRIPTS),$(if $(filter lib%,$(notdir $(script))),,$(script))))
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/unit/support/*.c))
TEST_LIB := $(if $(TEST_SUPPORT),$(BUILD)/lib/libtest.a)
helpers_of = $(patsubst %.c,$(BUILD)/obj/%.o,$(foreach source,$(wildcard $(1)*.c),\
	$(if $(filter test_%,$(notdir $(source))),,$(source))))

# What is done is shown in short, as a step of so many: a run of make that builds nothing (-n) has counted them, with
# STEPS=count. V=1 shows the commands instead.
Q := $(if $(V),,@)
ifeq ($(STEPS)$(V)$(findstring n,$(firstword -$(MAKEFLAGS)))$(filter asan tsan fuzz clean help format layers flags,$(GOALS)),)
STEPS := $(shell $(MAKE) -n --no-print-directory $(MAKEOVERRIDES) STEPS=count $(GOALS) 2>/dev/null | grep -c '^: step')
endif
STEPS_WIDTH := $(shell printf %s '$(STEPS)' | wc -c)
next_step = $(eval STEPS_DONE += x)$(words $(STEPS_DONE))
say = $(if $(V),,@$(if $(filter count,$(STEPS)),: step,\
	printf '[%$(STEPS_WIDTH)d/%d] %-7s %s\n' $(next_step) '$(STEPS)' $(1) '$(patsubst $(BUILD)/%,%,$(2))'))

# Lists of make are divided at spaces: $(CURDIR), which may have some, is only ever used as a whole, and never within
# $(abspath …) or $(wildcard …).
ifneq ($(words $(BUILD)),1)
$(error BUILD must be a path without spaces; a relative one may be below a directory that has some)
endif
export SYNOD_BIN = $(if $(filter /%,$(BUILD)),$(BUILD),$(CURDIR)/$(BUILD))/bin
export LC_ALL := C

.PHONY: all tests check unit layers asan tsan tsan-suites sim bench fuzz fuzz-run install format tidy flags clean help
.SECONDARY:
.SECONDEXPANSION:

all: $(BINS) $(LIB)

$(BUILD)/gen/%.pb-c.c: proto/%.proto
	@mkdir -p $(@D)
	$(call say,PROTOC,$<)
	$(Q)protoc-c --c_out=$(BUILD)/gen --proto_path=proto $<
$(BUILD)/gen/%.pb-c.h: $(BUILD)/gen/%.pb-c.c ;
$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c Makefile
	$(call say,CC,$<)
	$(Q)$(CC) $(filter-out -W%,$(CFLAGS_ALL)) -c $< -o $@

# The descriptors of all messages. The generator runs here, so it is compiled without sanitizers.
$(BUILD)/gen/descriptors.inc: $(PB_C)
	$(call say,GEN,$@)
	$(Q)grep -hoE 'MessageDescriptor synod__[a-z_]+__descriptor;' $(PB_C:.c=.h) | \
		sed -E 's/.* (.*);/DESCRIPTOR(\1)/' >$@
$(BUILD)/gen/generate.o: proto/generate.c $(BUILD)/gen/descriptors.inc Makefile
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 -O1 -g -D_GNU_SOURCE $(WARNINGS) -I$(BUILD)/gen -c $< -o $@
$(BUILD)/gen/generate: $(BUILD)/gen/generate.o $(PB_C)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=gnu11 -O1 -I$(BUILD)/gen $^ $(shell pkg-config --libs $(PB_PACKAGES)) -o $@
$(BUILD)/gen/wire/%.gen.c $(BUILD)/gen/wire/%.gen.h: proto/%.proto $(BUILD)/gen/generate
	@mkdir -p $(@D)
	$(call say,GEN,$<)
	$(Q)$(BUILD)/gen/generate $< $(BUILD)/gen/wire/$*.gen.h $(BUILD)/gen/wire/$*.gen.c
$(BUILD)/gen/wire/%.gen.o: $(BUILD)/gen/wire/%.gen.c Makefile | $(WIRE_C)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.o: %.c Makefile | $(GEN_C)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(LIB): $(OBJ) $(WIRE_C:.c=.o)
$(BUILD)/lib/libpb-c.a: $(PB_C:.c=.o)
$(BUILD)/lib/libcmd.a: $(CMD_OBJ)
$(BUILD)/lib/libtest.a: $(TEST_SUPPORT)
$(LIB) $(BUILD)/lib/libpb-c.a $(BUILD)/lib/libcmd.a $(BUILD)/lib/libtest.a:
	@mkdir -p $(@D)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $^

define program_rule
$(call program_of,$(1)): $(BUILD)/obj/$(1:.c=.o) $(CMD_LIB) $(LIB)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(LDFLAGS) $$^ $$(LIBS) -o $$@
endef
$(foreach main,$(CMD_MAIN),$(eval $(call program_rule,$(main))))

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $$(call helpers_of,$$(dir tests/$$*)) $(TEST_LIB) $(CMD_LIB) $(LIB) $(BUILD)/lib/libpb-c.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ $(LIBS) $(CHECK_LIBS) -o $@

# A sanitizer has a malloc of its own, so that a test that makes malloc fail does so for our own calls only.
comma := ,
ifneq ($(SANITIZE),)
$(BUILD)/tests/unit/oom/%: LDFLAGS += $(foreach name,malloc calloc realloc free,-Wl$(comma)--wrap=$(name))
endif

$(BUILD)/tests/system/%: $(BUILD)/obj/tests/system/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ $(LIBS) -o $@

# --- Tests ---

# A fuzz target without a fuzzer: runs the inputs of its corpus, and mutations of them.
REPLAY_BIN := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/replay/%,$(wildcard tests/fuzz/fuzz_*.c))
$(BUILD)/tests/replay/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(CMD_LIB) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ $(LIBS) -o $@

tests: all $(TEST_BIN) $(REPLAY_BIN) $(SYSTEM_BIN) $(BUILD)/tests/bench/calm_load $(BUILD)/tests/bench/put_values

check: tests
	@tests/run.sh $(BUILD)/tests $(TEST_SCRIPTS) tests/layers.sh tests/courses.sh tests/mutants_fit.sh tests/ports.sh \
		tests/runner.sh $(TEST_BIN) $(REPLAY_BIN) -- $(SYSTEM_TESTS)

unit: $(TEST_BIN)
	@tests/run.sh $(BUILD)/tests $(TEST_BIN)

layers:
	@tests/layers.sh

asan:
	CK_FORK=no $(MAKE) BUILD=$(BUILD)/asan OPT=-O1 SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" check

# The suites of what threads share.
TSAN_BIN := $(filter $(addprefix $(BUILD)/tests/unit/,host/% store/% libsynod/%),$(TEST_BIN))
tsan:
	CK_FORK=no $(MAKE) BUILD=$(BUILD)/tsan OPT=-O1 SANITIZE="-fsanitize=thread" tsan-suites

tsan-suites: $(TSAN_BIN)
	@tests/run.sh $(BUILD)/tests $(TSAN_BIN)

# Simulations: one seed repeats exactly what it did before.
SEEDS ?= 1..20
sim: $(BUILD)/bin/synod-sim
	$< $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(SIM_FLAGS)

BENCH_BIN := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c))
$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ $(LIBS) -o $@

bench: $(BENCH_BIN)
	@set -e; for program in $^; do echo "== $${program##*/}"; $$program; done

# Fuzzing has a build of its own, in which clang counts the branches. It begins with the inputs of tests/fuzz/corpus; new ones that were worth
# keeping stay in the build directory. FUZZ=NAME… runs some of the targets only.
FUZZ_S ?= 60
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ:%=$(BUILD)/tests/fuzz/fuzz_%)
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(CMD_LIB) $(LIB)
	@mkdir -p $(@D) $@.corpus
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -fsanitize=fuzzer $^ $(LIBS) -o $@

fuzz-run: $(FUZZ_BIN)
	@set -e; for name in $(FUZZ); do program=$(BUILD)/tests/fuzz/fuzz_$$name; echo "== $$name"; \
		$$program -max_total_time=$(FUZZ_S) -timeout=10 -print_final_stats=1 -artifact_prefix=$$program. \
			$$program.corpus tests/fuzz/corpus/$$name; done

fuzz:
	$(MAKE) BUILD=$(BUILD)/fuzz CC=clang OPT=-O1 \
		SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz-run

# --- Installation ---

LIBDIR := $(DESTDIR)$(PREFIX)/lib
# Where the dynamic loader looks by itself, once ldconfig has run. Programs that are linked against a library elsewhere
# are told where it is.
LOADER_DIRS := /lib /usr/lib /usr/local/lib
RPATH := $(if $(filter $(PREFIX)/lib,$(LOADER_DIRS)),,-Wl$(comma)-rpath$(comma)$${libdir} )
SONAME := libsynod.so.$(firstword $(subst ., ,$(VERSION)))
PUBLIC := $(BUILD)/lib/public-symbols

# The public symbols are the functions that the public header declares.
$(PUBLIC): include/synod.h
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(CC) -E -P $< | grep -oE '\bsynod_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >$@

$(BUILD)/lib/libsynod.map: $(PUBLIC)
	$(call say,GEN,$@)
	$(Q)(echo 'SYNOD_1 {'; echo 'global:'; sed 's/$$/;/' $<; echo 'local: *;'; echo '};') >$@

$(BUILD)/lib/$(SONAME): $(LIB) $(BUILD)/lib/libsynod.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$(BUILD)/lib/libsynod.map \
		-Wl,--no-undefined -Wl,--as-needed $$(sed 's/^/-Wl,-u,/' $(PUBLIC)) $(LIB) $(LIBS) -o $@
	@nm -D --defined-only $@ | sed "s/.* //; s/@.*//" | sort | comm -13 - $(PUBLIC) | sed "s/$$/ is declared in synod.h and not defined/" | \
		(! grep .) || { rm -f $@; false; }

# One object whose other symbols are local: an internal name cannot collide with one of the user's.
$(BUILD)/lib/libsynod.a: $(LIB) $(PUBLIC)
	$(call say,AR,$@)
	$(Q)ld -r $$(sed 's/^/-u /' $(PUBLIC)) $(LIB) -o $(BUILD)/lib/synod.o
	$(Q)objcopy --keep-global-symbols=$(PUBLIC) $(BUILD)/lib/synod.o
	@rm -f $@
	$(Q)ar rcs $@ $(BUILD)/lib/synod.o

export PKGCONFIG
define PKGCONFIG
prefix=$(PREFIX)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: synod
Description: Client of Synod, a sharded, replicated, transactional key-value store
Version: $(VERSION)
Requires.private: $(PACKAGES)
Libs: -L$${libdir} $(RPATH)-lsynod
Libs.private: -lpthread -lm
Cflags: -I$${includedir}
endef

install: all $(BUILD)/lib/libsynod.a $(BUILD)/lib/$(SONAME)
	$(Q)install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/include' '$(LIBDIR)/pkgconfig'
	$(Q)install -m 755 $(BINS) '$(DESTDIR)$(PREFIX)/bin'
	$(Q)install -m 644 include/synod.h '$(DESTDIR)$(PREFIX)/include'
	$(Q)install -m 644 $(BUILD)/lib/libsynod.a '$(LIBDIR)'
	$(Q)install -m 755 $(BUILD)/lib/$(SONAME) '$(LIBDIR)/libsynod.so.$(VERSION)'
	$(Q)ln -sf libsynod.so.$(VERSION) '$(LIBDIR)/$(SONAME)'
	$(Q)ln -sf $(SONAME) '$(LIBDIR)/libsynod.so'
	@echo "$$PKGCONFIG" >$(BUILD)/lib/synod.pc
	$(Q)install -m 644 $(BUILD)/lib/synod.pc '$(LIBDIR)/pkgconfig'
	@echo 'the programs, libsynod, synod.h and synod.pc are in $(DESTDIR)$(PREFIX)'
	@scripts/after_install.sh '$(PREFIX)' '$(DESTDIR)'

# --- Upkeep ---

C_FILES := $(wildcard include/*.h proto/*.c src/*/*/*.[ch] cmd/*.[ch] cmd/*/*.[ch] tests/*/*.[ch] tests/unit/*/*.[ch])

format:
	clang-format -i $(C_FILES)

# What clang-tidy has nothing to say about, and shall not in future. Others say: TIDY="host rsm". (LINT is a name of make's own.)
TIDY ?= agreement base check kv node pb shardkv store trace view wal wire

tidy: $(GEN_C)
	$(if $(wildcard $(TIDY:%=src/*/%/*.c)),,$(error TIDY="$(TIDY)" names no part of src/))
	@scripts/lint.sh $(foreach room,$(TIDY),$(wildcard src/*/$(room)/*.c)) $(wildcard proto/*.c) -- $(filter-out -Werror -fno-semantic-interposition,$(CFLAGS_ALL))

# How everything is compiled, for scripts that compile by themselves (tests/mutants.sh).
flags:
	$(info $(CFLAGS_ALL))@:

clean:
	rm -rf $(BUILD)

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

-include $(OBJ:.o=.d) $(WIRE_C:.c=.d) $(patsubst %.c,$(BUILD)/obj/%.d,$(CMD_SRC))
-include $(patsubst %.c,$(BUILD)/obj/%.d,$(wildcard tests/*/*.c tests/unit/*/*.c))
