package plugins

import "edge/abi"

// preview: (req). See SPEC.md, section 4.
func preview(in *instance, a []uint64) uint64 {
	x := in.find(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	named, ok := x.namesPreview()
	switch {
	case !ok:
		return answer(abi.Closed)
	case named:
		return abi.Result(abi.OK, 1)
	}
	return answer(abi.OK)
}

// namesPreview tells whether the request is in preview form; ok is false if the
// request is no longer the exchange's.
func (x *exchange) namesPreview() (named, ok bool) {
	previews := x.services().Previews
	ok = x.request(func(r *abi.Request) { named = previews != nil && previews.NamesPreview(r) })
	return named, ok
}
