package plugins

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"edge/plugins/linear"
)

// maxSpareMemories bounds the memories that a generation keeps for instances to come, each
// as large as what an instance writes.
const maxSpareMemories = 8

// maxMapped bounds the instances whose memory is mapped, of all plugins, and maxSpares the
// memories that all generations may keep besides: each takes up to four of the 65,530
// mappings that a process has by default (vm.max_map_count), and Go's runtime ends the
// process when it finds none left for itself.
const (
	maxMapped = 8192
	maxSpares = 2048
)

// errManyMapped is the memory of one instance more than maxMapped.
var errManyMapped = errors.New("as many are mapped as may be")

// imageContents puts what instances find in their memory into an image, so that each of
// them has a private mapping of it. Where the system has no such thing, or refuses it,
// each has a copy, in memory that is Go's.
func (g *generation) imageContents() {
	c := g.contents
	if c == nil || g.reg.copiesMemory {
		return
	}
	image, err := linear.NewImage(c.memory(), g.spec.Memory/wasmPage*wasmPage)
	if err != nil {
		g.log().Debug("each instance has a copy of the module's memory", "err", err)
		return
	}
	if g.spec.Isolation != IsolationPooled { // instances are reset, or come and go
		c.spares = g.reg.maySpare(int32(min(g.reg.slots.size+1, maxSpareMemories)))
		if err := image.Track(int(c.spares)); err != nil {
			g.log().Debug("a reset looks at all of an instance's memory", "err", err)
		}
	}
	c.image, c.segments = image, nil
}

// maySpare returns n if a generation may keep so many memories, and else 0; freeImage lets
// others have them again.
func (r *Registry) maySpare(n int32) int32 {
	if r.sparable.Add(-n) < 0 {
		r.sparable.Add(n)
		return 0
	}
	return n
}

// freeImage is the end of imageContents' work. The instances are gone.
func (g *generation) freeImage() {
	if g.contents == nil || g.contents.image == nil {
		return
	}
	if err := g.contents.image.Close(); err != nil {
		g.log().Debug("closing the image of the module's memory", "err", err)
	}
	g.reg.sparable.Add(g.contents.spares)
}

// lent is an instance's mapping as wazero has it. A runtime that is closed closes its
// modules, whoever is at work in them, and memory that is not Go's must not go while
// anybody may look at it: so wazero frees nothing, and instance.end does.
type lent struct{ *linear.Memory }

// Free does nothing.
func (lent) Free() {}

var _ experimental.LinearMemory = lent{}

// instantiate makes the instance's module with what is in its memory at first.
func (in *instance) instantiate() (api.Module, error) {
	p, ctx := in.gen.program, context.Context(in.life)
	if in.mapMemory() {
		// No function of the host's runs meanwhile, which would look for the lifeline.
		ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(in.lend))
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	mod, err := p.runtime.InstantiateModule(ctx, p.code, config)
	if err != nil {
		in.unmap()
		return nil, err
	}
	if !in.gen.contents.fill(mod.Memory(), in.mapped != nil) {
		return mod, errFault // cannot be: split saw to it
	}
	return mod, nil
}

// mapMemory maps the instance's memory, if there is an image of it and room.
func (in *instance) mapMemory() bool {
	c, r := in.gen.contents, in.gen.reg
	if c == nil || c.image == nil {
		return false
	}
	err := errManyMapped
	if r.mapped.Add(1) <= r.maxMapped {
		in.mapped, err = c.image.Map()
	}
	if err != nil {
		r.mapped.Add(-1)
		in.gen.log().Debug("an instance has a copy of the module's memory", "err", err)
	}
	return err == nil
}

// lend gives wazero the memory that was mapped.
func (in *instance) lend(_, _ uint64) experimental.LinearMemory { return lent{in.mapped} }

// unmap gives the instance's memory back, if it is mapped. Nobody looks at it any more:
// host functions, which alone do, run within an entry, and what they leave to other
// goroutines is copied.
func (in *instance) unmap() {
	if in.mapped != nil {
		in.mapped.Free()
		in.mapped = nil
		in.gen.reg.mapped.Add(-1)
	}
}
