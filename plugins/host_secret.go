package plugins

import "edge/abi"

// secretGet: (name, len, ptr, cap). See SPEC.md, section 3. Like config_get it
// belongs to no request.
func secretGet(in *instance, a []uint64) uint64 {
	out := in.bytes(a[2], a[3])
	value, ok := in.gen.spec.Secrets[in.text(a[0], a[1])]
	if !ok {
		return answer(abi.NotFound)
	}
	return reply(&in.kept, out, []byte(value))
}
