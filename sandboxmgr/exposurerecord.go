package sandboxmgr

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"edge/abi"
)

// exposureRecord is what is remembered of an exposure; its key holds the rest.
type exposureRecord struct {
	Name      string     `json:"name,omitempty"`
	Token     string     `json:"token,omitempty"`
	Access    abi.Access `json:"access"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Policy    abi.Policy `json:"policy,omitzero"`
	Wake      abi.Wake   `json:"wake,omitempty"`
	// These are not in records of earlier versions.
	TokenIn        abi.TokenIn `json:"tokenIn,omitempty"`
	Host           string      `json:"host,omitempty"`
	OnRestart      string      `json:"onRestart,omitempty"`
	MaxConnections int         `json:"maxConnections,omitempty"`
}

func exposureKey(k key, port int) string {
	return exposurePrefix + k.String() + "/" + strconv.Itoa(port)
}

// loadExposures reads what is recorded; what has expired meanwhile is removed.
func loadExposures(ctx context.Context, m *Manager) (*exposures, error) {
	t := newExposures(m)
	var expired []Change
	now := time.Now()
	err := eachEntry(ctx, m.store, exposurePrefix, func(e Entry) error {
		s, err := decodeExposure(e)
		if err != nil {
			return err
		}
		_, configured := m.config.Bindings[s.key.binding]
		switch {
		case s.expired(now):
			expired = append(expired, Change{Key: e.Key, Expect: e.Revision})
		case !configured: // as its sandbox, it is left alone
		case t.taken(s):
			m.log.Warn("an exposure is left out: another one has its name", "sandbox", s.key.String(), "port", s.Port)
		default:
			t.set(s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(expired) > 0 {
		if _, err := m.store.Commit(ctx, expired...); err != nil {
			return nil, fmt.Errorf("remove expired exposures: %w", err)
		}
	}
	return t, nil
}

func decodeExposure(e Entry) (*savedExposure, error) {
	var r exposureRecord
	parts := strings.Split(strings.TrimPrefix(e.Key, exposurePrefix), "/")
	if err := json.Unmarshal(e.Value, &r); err != nil || len(parts) != 3 {
		return nil, fmt.Errorf("record %s is damaged: %w", e.Key, err)
	}
	port, err := strconv.Atoi(parts[2])
	if err != nil {
		return nil, fmt.Errorf("record %s is damaged: %w", e.Key, err)
	}
	k := key{parts[0], parts[1]}
	return newSavedExposure(k, Exposure{
		Ref: k.ref(), Port: port, Name: r.Name, Token: r.Token, Access: r.Access,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Policy: r.Policy, Wake: r.Wake,
		TokenIn: r.TokenIn, Host: r.Host, OnRestart: r.OnRestart, MaxConnections: r.MaxConnections,
	}, e.Revision), nil
}

// record is what is remembered of the exposure.
func (s *savedExposure) record() ([]byte, error) {
	b, err := json.Marshal(exposureRecord{
		Name: s.Name, Token: s.Token, Access: s.Access, CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, Policy: s.Policy, Wake: s.Wake,
		TokenIn: s.TokenIn, Host: s.Host, OnRestart: s.OnRestart, MaxConnections: s.MaxConnections,
	})
	if err != nil {
		return nil, fmt.Errorf("record of an exposure: %w", err)
	}
	return b, nil
}
