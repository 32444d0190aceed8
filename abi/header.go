package abi

import "strings"

// ValidToken tells whether s can name a header or a method: one or more tchar
// (RFC 9110, section 5.6.2).
func ValidToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && c != '-' && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// ValidValue tells whether s can be a header's value: no control character but
// the tab (RFC 9110, section 5.5).
func ValidValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// FramesAnswer tells whether a header of an answer is the host's to set, because
// it says how the answer is framed or what becomes of the connection (RFC 9112,
// section 6; RFC 9110, section 7.6.1).
func FramesAnswer(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "content-length", "transfer-encoding", "trailer", "upgrade":
		return true
	}
	return false
}
