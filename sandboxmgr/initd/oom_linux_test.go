package initd

import "testing"

func TestParseOOM(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n": 2,
		"oom_kill_disable 0\nunder_oom 0\noom_kill 7":                  7,
		"":             -1,
		"oom_kill x\n": -1,
	} {
		if n, ok := parseOOM([]byte(text)); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
}
