package sandboxmgr

import "edge/abi"

// admit lets the sandbox be one of those of its binding that run. QUOTA_EXCEEDED
// when there are as many as there may be.
func (m *Manager) admit(u *unit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.slot {
		return nil
	}
	if most := u.binding.MaxSandboxes; most > 0 {
		n := 0
		for _, o := range m.units {
			if o.slot && o.key.binding == u.key.binding {
				n++
			}
		}
		if n >= most {
			return abi.Errorf(abi.CodeQuotaExceeded, "%d sandboxes of binding %s run, and maxSandboxes allows no more than %d", n, u.key.binding, most).
				WithSuggestion("stop one, wait until one sleeps, or raise maxSandboxes of binding %s", u.key.binding)
		}
	}
	u.slot = true
	return nil
}

// dismiss says that the sandbox does not run any more.
func (m *Manager) dismiss(u *unit) {
	m.mu.Lock()
	u.slot = false
	m.mu.Unlock()
}
