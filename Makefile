SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.PHONY: help demo test torture fuzz build dist bench format check-format

sources := Package.swift Sources Tests

help:          ## shows this
	@sed -n 's/^\([a-z-]*\): *[^#]*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: build    ## builds, then loses a registry and gets its images back
	@Scripts/demo

test:          ## runs all tests
	@Scripts/install-dependencies build
	@Scripts/install-dependencies test
	@Scripts/test

torture:       ## runs every fault at every place and prints a table (an hour or more)
	@Scripts/install-dependencies build
	@Scripts/install-dependencies test
	@Scripts/torture

SECONDS := 60
fuzz:          ## feeds every parser with mutated input, for SECONDS each
	@Scripts/install-dependencies build
	@Scripts/fuzz $(SECONDS)

build:         ## builds .build/release/lifeboat
	@Scripts/install-dependencies build
	@echo "Building (the first time takes some minutes)"
	swift build --configuration release --product lifeboat --static-swift-stdlib

dist: build    ## makes a tarball of it with manual pages and completions
	@Scripts/dist

bench: build   ## measures it against other tools (Benchmarks/bench --help)
	@Scripts/install-dependencies bench
	@Benchmarks/bench

format:        ## formats the sources
	swift format --in-place --recursive --parallel $(sources)

check-format:  ## fails where a source is not formatted
	swift format lint --strict --recursive --parallel $(sources)
