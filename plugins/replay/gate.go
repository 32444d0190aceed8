package replay

import (
	"context"
	"fmt"
	"os"

	"edge/plugins"
)

// gateRequests bounds the requests that a Gate has decided: a load waits for it.
const gateRequests = 10_000

// Gate has a module decide the first 10,000 requests that spec.Replay recorded of
// the plugin, and refuses one that decides any of them otherwise. It decides under
// the spec's own settings but for the secrets, which are the recording's
// placeholders. Requests that cannot be compared do not count. It is meant as
// plugins.Config.Replay.
func Gate(ctx context.Context, spec plugins.Spec, trial *plugins.Trial) error {
	f, err := os.Open(spec.Replay)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer f.Close()
	run := Run{Plugin: spec.Name, Most: gateRequests, Open: func(ctx context.Context, s Settings) (*plugins.Trial, error) {
		as := spec
		if s.Secrets != nil {
			as.Secrets = s.Secrets
		}
		return trial.Again(ctx, as)
	}}
	s, err := run.Do(ctx, f)
	switch {
	case err != nil:
		return fmt.Errorf("replay %s: %w", spec.Replay, err)
	case s.Requests() == 0:
		return fmt.Errorf("replay: %s holds no request of the plugin %q", spec.Replay, spec.Name)
	case s.Different > 0:
		d := s.First.Differences[0]
		return fmt.Errorf("it decides %d of %d recorded requests otherwise; the first, line %d, %s: %s was %q, is %q; edge plugin replay MODULE %s shows all",
			s.Different, s.Requests(), s.First.Line, Short(s.First.Request, 80), d.What, Short(d.Was, 60), Short(d.Is, 60), spec.Replay)
	}
	return nil
}
