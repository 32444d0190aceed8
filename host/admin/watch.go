package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"edge/abi"
)

// watchEvents tells what happens to sandboxes, as server-sent events.
func (x *exchange) watchEvents() error {
	if x.s.Events == nil {
		return abi.Errorf(abi.CodeUnsupported, "this edge tells no events")
	}
	query, err := knownQuery(x.r.URL.RawQuery, "binding", "id")
	if err != nil {
		return err
	}
	release, err := x.takeStream()
	if err != nil {
		return err
	}
	defer release()
	// Ids are lower case, whatever a caller writes.
	sub, cancelSub := x.s.Events.subscribe(query.Get("binding"), strings.ToLower(query.Get("id")))
	defer cancelSub()
	out := newEventWriter(x)
	if x.r.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := x.endless()
	defer cancel(nil)
	join := x.cutWrites(ctx)
	defer join()
	for {
		ev, err := x.nextEvent(ctx, sub, out)
		if err == nil {
			var b []byte
			if b, err = json.Marshal(ev); err == nil {
				err = out.event(ev.Type, "", b)
			}
		}
		if err == nil {
			continue
		}
		if e := x.streamError(ctx, err); e != nil {
			out.fail(e)
		}
		return nil
	}
}

// nextEvent waits for an event, with signs of life meanwhile.
func (x *exchange) nextEvent(ctx context.Context, sub *subscription, out *eventWriter) (Event, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, x.s.pace.keepAlive)
		ev, err := sub.next(wait)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return ev, err
		}
		if err := out.comment(); err != nil {
			return Event{}, err
		}
	}
}
