package plugins

import "edge/abi"

// plan: (req, json, len). See SPEC.md, section 5. It is decided here and carried
// out by whoever called Decide.
func plan(in *instance, a []uint64) uint64 {
	text := in.bytes(a[1], a[2])
	x, no := in.undecided(a[0])
	if x == nil {
		return no
	}
	p, err := abi.ParsePlan(text)
	if err == nil {
		err = in.gen.spec.Grants.Plan(p)
	}
	if err != nil {
		return in.wrong(x, abi.AsError(err))
	}
	upgrade := false
	if !x.request(func(r *abi.Request) { upgrade = r.IsUpgrade() }) {
		return answer(abi.Closed)
	}
	if p.Then == abi.PlanConnect && !upgrade {
		return x.refuse(abi.CodeUpgradeRequired, "a plan that connects wants a WebSocket upgrade request")
	}
	return in.decide(x, p)
}
