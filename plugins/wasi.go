package plugins

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// The error numbers of WASI preview 1 that the edge answers with.
const (
	wasiOK     = 0
	wasiBadF   = 8
	wasiInval  = 28
	wasiNotSup = 58
	wasiSPipe  = 70
)

// The clocks of WASI preview 1.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// wasiRow makes one function of WASI. params has a letter for each parameter: i
// is an i32, I an i64. The result is an errno, an i32.
func wasiRow(name, params string, call func(in *instance, a []uint64) uint64) hostFunction {
	types := make([]api.ValueType, len(params))
	for i := range params {
		types[i] = api.ValueTypeI32
		if params[i] == 'I' {
			types[i] = api.ValueTypeI64
		}
	}
	return hostFunction{name, types, i32s(1), call}
}

// wasiFunctions is all that SPEC.md allows of WASI: clocks, randomness, output
// to the log, an empty environment, and a world without files. The functions
// about files exist because language runtimes import them whether they use them
// or not; none of them can reach anything.
func wasiFunctions() []hostFunction {
	fs := []hostFunction{
		wasiRow("args_get", "ii", func(*instance, []uint64) uint64 { return wasiOK }),
		wasiRow("args_sizes_get", "ii", wasiNone),
		wasiRow("environ_get", "ii", func(*instance, []uint64) uint64 { return wasiOK }),
		wasiRow("environ_sizes_get", "ii", wasiNone),
		wasiRow("clock_res_get", "ii", clockResolution),
		wasiRow("clock_time_get", "iIi", clockTime),
		wasiRow("random_get", "ii", random),
		wasiRow("sched_yield", "", func(*instance, []uint64) uint64 { return wasiOK }),
		wasiRow("poll_oneoff", "iiii", pollOneoff),
		wasiRow("fd_write", "iiii", fdWrite),
		wasiRow("fd_read", "iiii", fdRead),
		wasiRow("fd_close", "i", fdKnown),
		wasiRow("fd_seek", "iIii", fdSeek),
		wasiRow("fd_fdstat_get", "ii", fdStat),
		wasiRow("fd_fdstat_set_flags", "ii", fdKnown),
		wasiRow("fd_filestat_get", "ii", fdFilestat),
		{"proc_exit", i32s(1), nil, procExit},
	}
	for name, params := range map[string]string{
		"fd_advise": "iIIi", "fd_allocate": "iII", "fd_datasync": "i", "fd_fdstat_set_rights": "iII",
		"fd_filestat_set_size": "iI", "fd_filestat_set_times": "iIIi", "fd_pread": "iiiIi",
		"fd_prestat_dir_name": "iii", "fd_prestat_get": "ii", "fd_pwrite": "iiiIi", "fd_readdir": "iiiIi",
		"fd_renumber": "ii", "fd_sync": "i", "fd_tell": "ii", "path_create_directory": "iii",
		"path_filestat_get": "iiiii", "path_filestat_set_times": "iiiiIIi", "path_link": "iiiiiii",
		"path_open": "iiiiiIIii", "path_readlink": "iiiiii", "path_remove_directory": "iii",
		"path_rename": "iiiiii", "path_symlink": "iiiii", "path_unlink_file": "iii",
	} {
		fs = append(fs, wasiRow(name, params, func(*instance, []uint64) uint64 { return wasiBadF }))
	}
	return fs
}

// wasiNone: (count, bytes) of an empty list.
func wasiNone(in *instance, a []uint64) uint64 {
	binary.LittleEndian.PutUint32(in.bytes(a[0], 4), 0)
	binary.LittleEndian.PutUint32(in.bytes(a[1], 4), 0)
	return wasiOK
}

// clockResolution: (clock, resolution).
func clockResolution(in *instance, a []uint64) uint64 {
	if uint32(a[0]) > clockMonotonic {
		return wasiInval
	}
	binary.LittleEndian.PutUint64(in.bytes(a[1], 8), 1)
	return wasiOK
}

// clockTime: (clock, precision, time).
func clockTime(in *instance, a []uint64) uint64 {
	now, ok := in.clock(uint32(a[0]))
	if !ok {
		return wasiInval
	}
	binary.LittleEndian.PutUint64(in.bytes(a[2], 8), uint64(now))
	return wasiOK
}

// clock reads a clock in nanoseconds. The monotonic one starts with the edge.
func (in *instance) clock(id uint32) (now int64, ok bool) {
	if s := in.gen.reg.stage; s != nil {
		return s.clock(id)
	}
	switch id {
	case clockRealtime:
		return time.Now().UnixNano(), true
	case clockMonotonic:
		return int64(time.Since(in.gen.reg.started)), true
	}
	return 0, false
}

// random: (ptr, len).
func random(in *instance, a []uint64) uint64 {
	in.randomize(in.bytes(a[0], a[1]))
	return wasiOK
}

// randomize fills b with randomness.
func (in *instance) randomize(b []byte) {
	if s := in.gen.reg.stage; s != nil {
		s.fill(b)
		return
	}
	_, _ = rand.Read(b) // never fails
}

// procExit: (code). It ends the instance, whatever the code.
func procExit(_ *instance, a []uint64) uint64 { panic(exitError(uint32(a[0]))) }

// fdWrite: (fd, iovs, iovs_len, written).
func fdWrite(in *instance, a []uint64) uint64 {
	fd := uint32(a[0])
	if fd != 1 && fd != 2 {
		return wasiBadF
	}
	total, ok := uint32(0), true
	in.vectors(a[1], a[2], func(b []byte) {
		if ok = ok && uint64(total)+uint64(len(b)) <= 1<<31; ok {
			in.output[fd-1].write(in, int(fd), b)
			total += uint32(len(b))
		}
	})
	if !ok {
		return wasiInval
	}
	binary.LittleEndian.PutUint32(in.bytes(a[3], 4), total)
	return wasiOK
}

// vectors calls f with each of a list of buffers.
func (in *instance) vectors(ptr, n uint64, f func([]byte)) {
	if uint64(uint32(n))*8 > uint64(in.mem.Size()) {
		panic(errFault)
	}
	for list := in.bytes(ptr, uint64(uint32(n)*8)); len(list) > 0; list = list[8:] {
		f(in.bytes(uint64(binary.LittleEndian.Uint32(list)), uint64(binary.LittleEndian.Uint32(list[4:]))))
	}
}

// fdRead: (fd, iovs, iovs_len, read). Standard input is at its end.
func fdRead(in *instance, a []uint64) uint64 {
	if uint32(a[0]) != 0 {
		return wasiBadF
	}
	binary.LittleEndian.PutUint32(in.bytes(a[3], 4), 0)
	return wasiOK
}

// fdKnown: (fd, ...), for calls that change nothing.
func fdKnown(_ *instance, a []uint64) uint64 {
	if uint32(a[0]) > 2 {
		return wasiBadF
	}
	return wasiOK
}

// fdSeek: (fd, offset, whence, position).
func fdSeek(_ *instance, a []uint64) uint64 {
	if uint32(a[0]) > 2 {
		return wasiBadF
	}
	return wasiSPipe
}

// characterDevice is the file type of the three standard descriptors.
const characterDevice = 2

// fdStat: (fd, fdstat). The layout is 24 bytes: u8 type, u16 flags at 2, u64
// rights at 8 (bit 1 read, bit 6 write), u64 inherited rights.
func fdStat(in *instance, a []uint64) uint64 {
	fd := uint32(a[0])
	if fd > 2 {
		return wasiBadF
	}
	stat := in.bytes(a[1], 24)
	clear(stat)
	stat[0] = characterDevice
	stat[8] = 1 << 6
	if fd == 0 {
		stat[8] = 1 << 1
	}
	return wasiOK
}

// fdFilestat: (fd, filestat). The layout is 64 bytes with the type at 16.
func fdFilestat(in *instance, a []uint64) uint64 {
	if uint32(a[0]) > 2 {
		return wasiBadF
	}
	stat := in.bytes(a[1], 64)
	clear(stat)
	stat[16] = characterDevice
	return wasiOK
}

// lineWork is what a line costs besides its bytes, as callWork.
const lineWork = 64

// lineBuffer collects what a guest writes to one descriptor until a line is
// whole.
type lineBuffer struct{ line []byte }

func (l *lineBuffer) write(in *instance, fd int, b []byte) {
	for len(b) > 0 {
		part := b[:min(len(b), maxLogLine-len(l.line))]
		in.toil(len(part) + lineWork)
		end := bytes.IndexByte(part, '\n')
		if end >= 0 {
			part = part[:end]
		}
		l.line = append(l.line, part...)
		b = b[len(part):]
		if end >= 0 {
			b = b[1:]
		}
		if end >= 0 || len(l.line) == maxLogLine {
			l.flush(in, fd)
		}
	}
}

// flush logs what was written since the last line's end.
func (l *lineBuffer) flush(in *instance, fd int) {
	if len(l.line) == 0 {
		return
	}
	stream := "stdout"
	if fd == 2 {
		stream = "stderr"
	}
	if in.gen.maySay() {
		in.gen.guestLog.Info(in.gen.redact.line(l.line), "stream", stream)
	}
	l.line = l.line[:0]
}
