package plugins

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"time"

	"edge/abi"
)

// kvCall is what kv and kv_start were asked for.
type kvCall struct {
	gen     *generation
	store   KV
	verb    uint32
	key     string
	value   []byte
	options []byte
}

// kvVerbs names the verbs for explanations.
var kvVerbs = [...]string{abi.KVGet: "kv.get", abi.KVSet: "kv.set", abi.KVDelete: "kv.delete", abi.KVList: "kv.list"}

// kvCall reads (_, verb, key, key_len, value, value_len, options, options_len).
func (in *instance) kvCall(store KV, a []uint64) *kvCall {
	return &kvCall{
		gen: in.gen, store: store, verb: uint32(a[1]), key: in.text(a[2], a[3]),
		value: bytes.Clone(in.bytes(a[4], a[5])), options: bytes.Clone(in.bytes(a[6], a[7])),
	}
}

// kv: (req, verb, key, key_len, value, value_len, options, options_len, ptr, cap).
// See SPEC.md, section 6. req may be 0, as it is in edge_init: there is no
// last_error then.
func kv(in *instance, a []uint64) uint64 {
	out := in.bytes(a[8], a[9])
	if uint32(a[0]) == 0 {
		return in.kvAlone(in.kvCall(in.services().KV, a), out)
	}
	x := in.find(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	as := in.agent(x)
	c := in.kvCall(as.services.KV, a)
	var result []byte
	err := in.wait(x, nil, func(ctx context.Context) (err error) {
		result, err = c.carryOut(ctx, as)
		return err
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return x.reply(out, result)
}

// kvAlone is kv without a request.
func (in *instance) kvAlone(c *kvCall, out []byte) uint64 {
	var result []byte
	var err error
	in.yield(func() { result, err = c.carryOut(in.life, agent{}) })
	if err != nil {
		return answer(in.gen.sayable(err).Code.Errno())
	}
	return reply(&in.kept, out, result)
}

// kvStart: as kv, less ptr, cap.
func kvStart(in *instance, a []uint64) uint64 {
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	as := in.agent(x)
	c := in.kvCall(as.services.KV, a)
	return in.launch(&call{x: x, agent: as, unsent: len(c.value), held: len(c.key) + len(c.value) + len(c.options)}, nil, func(ctx context.Context) ([]byte, error) {
		return c.carryOut(ctx, as)
	})
}

// carryOut does what was asked for and notes it for whoever is asked in the name of.
func (c *kvCall) carryOut(ctx context.Context, as agent) ([]byte, error) {
	begun := time.Now()
	result, err := c.do(ctx)
	if c.verb < uint32(len(kvVerbs)) && kvVerbs[c.verb] != "" {
		as.called(kvVerbs[c.verb], err, time.Since(begun))
	}
	return result, err
}

// do checks the call and returns its result as the guest reads it.
func (c *kvCall) do(ctx context.Context) ([]byte, error) {
	if c.store == nil {
		return nil, abi.Errorf(abi.CodeUnsupported, "this edge has no key-value store")
	}
	namespace, ok := c.gen.spec.Grants.Namespace(c.gen.spec.Name)
	if !ok {
		return nil, abi.Errorf(abi.CodeDenied, "plugin %q has no key-value namespace", c.gen.spec.Name).
			WithSuggestion("grant it one: grants: {kv: true}")
	}
	if err := ctx.Err(); err != nil {
		return nil, abi.AsError(err).WithStarted(abi.StartedNo)
	}
	check := abi.CheckKVKey
	if c.verb == abi.KVList {
		check = abi.CheckKVPrefix
	}
	if err := check(c.key); err != nil {
		return nil, err
	}
	switch c.verb {
	case abi.KVGet:
		return c.get(ctx, namespace)
	case abi.KVSet:
		return c.set(ctx, namespace)
	case abi.KVDelete:
		var opts abi.KVDeleteOptions
		if err := c.read(&opts); err != nil {
			return nil, err
		}
		return nil, c.store.Delete(ctx, namespace, c.key, opts)
	case abi.KVList:
		return c.list(ctx, namespace)
	}
	return nil, abi.Errorf(abi.CodeInvalidRequest, "kv: there is no verb %d", c.verb)
}

// read reads the options into opts.
func (c *kvCall) read(opts any) error {
	if err := strictOptions(c.options, opts); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "kv: options: %s", abi.JSONReason(err))
	}
	return nil
}

// get returns the revision and the value.
func (c *kvCall) get(ctx context.Context, namespace string) ([]byte, error) {
	v, err := c.store.Get(ctx, namespace, c.key)
	if err != nil {
		return nil, err
	}
	return append(binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(v.Value)), v.Revision), v.Value...), nil
}

// set returns the new revision.
func (c *kvCall) set(ctx context.Context, namespace string) ([]byte, error) {
	var opts abi.KVSetOptions
	if err := c.read(&opts); err != nil {
		return nil, err
	}
	if err := abi.CheckKVValue(c.value); err != nil {
		return nil, err
	}
	revision, err := c.store.Set(ctx, namespace, c.key, c.value, opts)
	if err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint64(nil, revision), nil
}

// list returns the page's JSON.
func (c *kvCall) list(ctx context.Context, namespace string) ([]byte, error) {
	var opts abi.KVListOptions
	if err := c.read(&opts); err != nil {
		return nil, err
	}
	if err := opts.Check(); err != nil {
		return nil, err
	}
	page, err := c.store.List(ctx, namespace, c.key, opts)
	if err != nil {
		return nil, err
	}
	if page.Entries == nil {
		page.Entries = []abi.KVEntry{}
	}
	return json.Marshal(page)
}
