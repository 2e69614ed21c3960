package r4

import "bytes"

// skimmer walks over JSON that has been checked before, and looks at as little as it
// can. On other bytes each step goes forward and none goes beyond the end.
type skimmer struct {
	raw []byte
	at  int
}

func (s *skimmer) peek() byte {
	if s.at < len(s.raw) {
		return s.raw[s.at]
	}
	return 0
}

func (s *skimmer) step() {
	if s.at < len(s.raw) {
		s.at++
	}
}

func (s *skimmer) space() {
	for s.at < len(s.raw) && (s.raw[s.at] == ' ' || s.raw[s.at] == '\n' || s.raw[s.at] == '\t' || s.raw[s.at] == '\r') {
		s.at++
	}
}

// next steps to the first or the next member or item, or over the closing bracket,
// where it reports false.
func (s *skimmer) next(end byte) bool {
	s.space()
	switch s.peek() {
	case end, 0:
		s.step()
		return false
	case ',':
		s.step()
		s.space()
	}
	return true
}

// name steps over a member's name and its colon and returns the name in its quotes.
func (s *skimmer) name() (quoted []byte, escaped bool) {
	quoted, escaped = s.text()
	s.space()
	s.step()
	s.space()
	return quoted, escaped
}

// text steps over a string and returns it in its quotes.
func (s *skimmer) text() (quoted []byte, escaped bool) {
	start := s.at
	s.step()
	for s.at < len(s.raw) {
		// Two searches that the processor does many bytes at a time: narratives are long.
		i := bytes.IndexByte(s.raw[s.at:], '"')
		if i < 0 {
			s.at = len(s.raw)
			break
		}
		if slash := bytes.IndexByte(s.raw[s.at:s.at+i], '\\'); slash >= 0 {
			escaped = true
			s.at = min(s.at+slash+2, len(s.raw))
			continue
		}
		s.at += i + 1
		break
	}
	return s.raw[start:s.at], escaped
}

// word steps over a number, a boolean or null and returns it.
func (s *skimmer) word() []byte {
	start := s.at
	for s.step(); s.at < len(s.raw); s.step() {
		switch s.raw[s.at] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return s.raw[start:s.at]
		}
	}
	return s.raw[start:]
}

// skip steps over one value of any kind.
func (s *skimmer) skip() {
	for depth := 0; s.at < len(s.raw); {
		switch s.raw[s.at] {
		case '"':
			s.text()
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			depth--
			s.at++
		case ',', ':', ' ', '\n', '\t', '\r':
			s.at++
			continue
		default:
			s.word()
		}
		if depth <= 0 {
			return
		}
	}
}
