// Package wasmbin reads and writes the binary format of WebAssembly (core
// specification 2.0, section 5): numbers, names, instructions and sections. It is for
// the packages that take modules apart or put them together; what the parts mean is
// theirs to know.
//
//	Sections  goes through a module: magic number, version, order and bounds
//	Reader    reads what is in a section, or in any other part of a module
//	Append... write each in its shortest form
//
// Nothing is copied: what is read are views into the module, which must not change
// meanwhile.
package wasmbin

import "errors"

// ErrMalformed is bytes that do not follow the binary format.
var ErrMalformed = errors.New("malformed module")

// ErrUnsupported is what is not of WebAssembly 2.0, or is encoded in a way that a
// lenient decoder might read as something else.
var ErrUnsupported = errors.New("unsupported module")

// Magic begins every file of WebAssembly, and Header every module of version 1
// (section 5.5.16).
const (
	Magic  = "\x00asm"
	Header = Magic + "\x01\x00\x00\x00"
)

// The sections of a module (section 5.5.2).
const (
	SectionCustom    = 0
	SectionType      = 1
	SectionImport    = 2
	SectionFunction  = 3
	SectionTable     = 4
	SectionMemory    = 5
	SectionGlobal    = 6
	SectionExport    = 7
	SectionStart     = 8
	SectionElement   = 9
	SectionCode      = 10
	SectionData      = 11
	SectionDataCount = 12
)

// The types of values (section 5.3), and what begins a function's.
const (
	TypeI32       = 0x7f
	TypeI64       = 0x7e
	TypeF32       = 0x7d
	TypeF64       = 0x7c
	TypeV128      = 0x7b
	TypeFuncref   = 0x70
	TypeExternref = 0x6f
	TypeFunction  = 0x60
)
