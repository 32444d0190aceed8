// Package meter makes WebAssembly modules stoppable: it rewrites a module so that
// its code counts what it does and asks the host for leave to go on.
//
// It is for hosts that run code of others and must be able to end it at a
// deadline, bound it by a budget, or share a processor fairly, with a runtime
// that cannot interrupt compiled code cheaply, such as wazero: its
// WithCloseOnContextDone checks at every call and loop and still cannot stop a
// call tree without loops. The package needs no runtime and imports none.
//
// # What a rewritten module does
//
// It has a counter, fuel, which starts at Options.Quantum. At every entry into a
// function and at every loop's header the code subtracts what the instructions up
// to the next such place can cost at most; if fuel is then negative, it calls the
// host:
//
//	fuel = import(fuel)  // (param i32) (result i32)
//
// The same is done after a call, for a sixteenth of what the function does then and
// has paid before, unless that is little: a deep recursion would have much of that to
// do without a question.
//
// The host either returns, with the fuel to go on with (Quantum, unless it wants
// to be asked sooner or later; at least 0), or unwinds the guest: with wazero, by a panic in
// the host function. What the guest used since it was asked last is the fuel that
// was given less the fuel that is left. Fuel survives from one call into the
// module to the next, so that short calls rarely ask.
//
// An instruction costs one unit; block, loop, else, end and nop are free. Those
// whose work depends on an operand cost more: a unit for each 64 bytes that
// memory.fill, memory.copy and memory.init write and memory.grow adds, and for each
// 8 entries of a table, charged before they run. A br_table costs 97, a
// call_indirect 17: they pay in advance for what they may lead to. The charge is
// never below the number of instructions that run, with one exception: a function
// of at most 16 instructions that neither loops nor calls is charged to its callers,
// so that an entry into it from the host is free. How much it is above depends on
// the code: what is skipped by a branch is charged up to some 100 instructions at a
// time. What host functions do is theirs to charge.
//
// A loop of at most 12 plain instructions is unrolled four times, and asks once in
// four rounds, because the question would cost as much as the loop: it is charged
// for up to three rounds more than run.
//
// A guest cannot reach the counter: it is a mutable global behind all of its own,
// which is exported to the host at most (Options.Fuel), and an index beyond the
// guest's own globals, functions or types is refused before anything is added. Nor can it call the hidden import: a module
// that imports anything from Options.Module is refused.
//
// # Going back
//
// With Options.Save and Restore a host can have an instance forget what happened in
// it. Save notes the values of all mutable globals of the guest, whatever their
// types, and Restore brings them back and answers 0. Fuel is not among them, and
// memory is the host's to keep and to compare: it can write to it. Restore answers
// 1, having restored the globals all the same, if the guest has changed a table or
// dropped a segment since Save (table.set, table.grow, table.fill, table.copy,
// table.init, elem.drop, data.drop): tables cannot be written to from outside in
// wazero, and what was dropped is gone. Such an instance is to be discarded. Both
// are called while nothing of the guest runs; their work is not charged.
//
// # What is understood
//
// WebAssembly 2.0: 1.0 with multiple values, bulk memory, reference types, sign
// extension, saturating conversions, mutable globals and SIMD; that is wazero's
// default. Anything else is refused (ErrUnsupported) and never guessed at, and so
// is an encoding that a lenient decoder might read in another way. Types are not
// checked: whoever compiles the result does that, and every index was checked
// here. A valid module stays valid, and behaves the same but for fuel. Counts are
// checked against what is there, so that a compiler which makes room for as many
// entries as a module announces is safe behind this package.
//
// A module may have 100 tables with 1<<20 entries in them together, of its own: more
// is refused, and what they have not from the start bounds their growth, which then
// fails as table.grow may. An entry takes 8 bytes of the host in wazero, which bounds
// memories but not tables.
//
// The hidden import comes after the guest's imports, so that the guest's own
// functions move by one; calls, exports, elements, the start function and the
// name section follow. Custom sections that tell positions in the code (.debug_*,
// reloc.*, linking, metadata.code.*, sourceMappingURL) would lie afterwards and
// are left out, the others stay.
package meter

import (
	"errors"
	"fmt"

	"edge/plugins/wasmbin"
)

// ErrMalformed is a module that does not follow the binary format, or refers to
// something it does not have.
var ErrMalformed = wasmbin.ErrMalformed

// ErrUnsupported is a module with something that is not WebAssembly 2.0, or is
// beyond a limit of this package.
var ErrUnsupported = wasmbin.ErrUnsupported

// ErrReserved is a module that imports from Options.Module, or exports a name of
// the Options'.
var ErrReserved = errors.New("the module uses a reserved name")

// DefaultQuantum is the fuel between two questions to the host: some 3 to 20 us of
// compiled code.
const DefaultQuantum = 10_000

// Revision is another one whenever Rewrite makes something else of a module than before:
// who keeps what it made has to make it anew then.
const Revision = 2

const (
	// MaxModule bounds a module's size in bytes. What one pass through a module
	// can cost is below it, which keeps the counter from wrapping.
	MaxModule = 1 << 28
	// MaxBody bounds one function's size in bytes: the limit of the WebAssembly
	// JavaScript interface (section 7, implementation limits).
	MaxBody = 7_654_321
	// maxLocals bounds a function's locals: the same document's limit.
	maxLocals = 50_000
)

// Options is how Rewrite works. The two names are required.
type Options struct {
	// Module and Name are what the hidden function is imported as. Its type is
	// (param i32) (result i32); see the package's documentation.
	Module, Name string
	// Quantum is the fuel of a new instance: at least 0, below 1<<30; 0 is
	// DefaultQuantum.
	Quantum int32
	// Fuel, if set, is the name under which the counter is exported, a mutable i32
	// global, so that the host knows what is left when the guest has returned, and
	// may give it less. An export is the host's to reach, not the guest's. A module
	// that exports the name itself is refused.
	Fuel string
	// Save and Restore, if set, both, are the names of two functions that are
	// exported for the host, () -> () and () -> i32; see the package's documentation.
	// A module that exports one of the names itself is refused.
	Save, Restore string
}

// exports tells whether a name is one that is exported for the host.
func (o *Options) exports(name string) bool {
	return name != "" && (name == o.Fuel || name == o.Save || name == o.Restore)
}

// Rewrite returns the metered module; the argument is only read, and not kept. A
// module without code of its own comes back as it is. Its result needs at most a
// few times the memory of the module. Errors about the module wrap ErrMalformed,
// ErrUnsupported or ErrReserved.
func Rewrite(module []byte, options Options) ([]byte, error) {
	if options.Quantum < 0 || options.Quantum >= 1<<30 {
		return nil, errors.New("meter: the quantum is out of range")
	}
	if options.Quantum == 0 {
		options.Quantum = DefaultQuantum
	}
	if len(module) > MaxModule {
		return nil, fmt.Errorf("%w: %d bytes are more than the %d that it may have", ErrUnsupported, len(module), MaxModule)
	}
	if (options.Save == "") != (options.Restore == "") {
		return nil, errors.New("meter: Save and Restore go together")
	}
	m := rewriter{options: options}
	if err := m.read(module); err != nil {
		return nil, err
	}
	if len(m.bodies) == 0 {
		return append([]byte(nil), module...), nil
	}
	return m.write()
}
