package r4

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unquote returns the text of a JSON string, which must be well formed.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(bytes.Trim(quoted, `"`))
	}
	return string(appendUnquoted(nil, quoted))
}

// appendUnquoted appends the text of a JSON string; an escape that is none stays as it is.
func appendUnquoted(b, quoted []byte) []byte {
	s := bytes.TrimSuffix(bytes.TrimPrefix(quoted, []byte{'"'}), []byte{'"'})
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			return append(b, s...)
		}
		b = append(b, s[:i]...)
		n := 2
		switch c := s[i+1]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			var r rune
			if r, n = unicodeEscape(s[i:]); n == 0 {
				r, n = '\\', 1
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
		s = s[i+n:]
	}
}

// unicodeEscape reads a \uXXXX, or a pair of them for a character beyond the first
// plane. It returns how many bytes it has read: 0 for half a pair or no escape at all.
func unicodeEscape(s []byte) (r rune, n int) {
	hi, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(hi) {
		return hi, 6
	}
	lo, _ := hex4(s[6:])
	if r = utf16.DecodeRune(hi, lo); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendQuoted appends text as a JSON string, with no escape that JSON does not ask for.
func appendQuoted(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, text[start:]...), '"')
}
