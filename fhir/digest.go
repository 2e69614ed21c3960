package fhir

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// Digest is the SHA-256 of what a resource says, whatever its spelling: names in order,
// no white space, strings by value, numbers as they were written. What a server adds is
// left out: the resource's id, meta.versionId, meta.lastUpdated, and a meta that then
// is empty. The bytes are those of a Resource, so they are sound JSON.
func Digest(json []byte) [sha256.Size]byte {
	c := canonical{raw: json, out: make([]byte, 0, len(json))}
	c.value(root)
	return sha256.Sum256(c.out)
}

// canonical writes the one spelling of a JSON value to out while it reads raw.
type canonical struct {
	raw     []byte
	at      int
	out     []byte
	scratch []byte
}

// level says whose members are being read, for some of the root and of meta are left out.
type level uint8

const (
	root level = iota
	meta
	inner
)

func (l level) leavesOut(name string) bool {
	return l == root && name == "id" || l == meta && (name == "versionId" || name == "lastUpdated")
}

func (c *canonical) value(l level) {
	c.space()
	switch c.raw[c.at] {
	case '{':
		c.object(l)
	case '[':
		c.array()
	case '"':
		c.text()
	default:
		start := c.at
		for c.at < len(c.raw) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(c.raw[c.at])) {
			c.at++
		}
		c.out = append(c.out, c.raw[start:c.at]...)
	}
}

func (c *canonical) space() {
	for c.raw[c.at] == ' ' || c.raw[c.at] == '\t' || c.raw[c.at] == '\r' || c.raw[c.at] == '\n' {
		c.at++
	}
}

// next steps over the bracket or the comma before a member, or over the closing bracket,
// where it reports false.
func (c *canonical) next(end byte) bool {
	c.space()
	if c.raw[c.at] == end {
		c.at++
		return false
	}
	if c.raw[c.at] == ',' {
		c.at++
		c.space()
	}
	return true
}

func (c *canonical) array() {
	c.at++
	c.out = append(c.out, '[')
	for c.next(']') {
		c.value(inner)
		c.out = append(c.out, ',')
	}
	c.out = append(c.out, ']')
}

// text writes the string that raw is at with the fewest escapes.
func (c *canonical) text() {
	start, escaped := c.at, false
	for c.at++; c.raw[c.at] != '"'; c.at++ {
		if c.raw[c.at] == '\\' {
			escaped = true
			c.at++
		}
	}
	c.at++
	quoted := c.raw[start:c.at]
	if escaped {
		c.out = appendQuoted(c.out, unquote(quoted))
	} else {
		c.out = append(c.out, quoted...)
	}
}

// span is one member in out, from its name to its comma.
type span struct{ at, name, end int }

func (c *canonical) object(l level) {
	c.at++
	c.out = append(c.out, '{')
	var few [24]span
	members := few[:0]
	for c.next('}') {
		m := span{at: len(c.out)}
		c.text()
		m.name = len(c.out)
		name := string(c.out[m.at+1 : m.name-1])
		c.space()
		c.at++ // the colon
		c.out = append(c.out, ':')
		below := inner
		if l == root && name == "meta" {
			below = meta
		}
		c.value(below)
		if l.leavesOut(name) || below == meta && string(c.out[m.name:]) == ":{}" {
			c.out = c.out[:m.at]
			continue
		}
		c.out = append(c.out, ',')
		m.end = len(c.out)
		members = append(members, m)
	}
	c.sort(members)
	c.out = append(c.out, '}')
}

// sort puts the members, which lie at the end of out, in the order of their names.
func (c *canonical) sort(members []span) {
	byName := func(a, b span) int { return bytes.Compare(c.out[a.at:a.name], c.out[b.at:b.name]) }
	if slices.IsSortedFunc(members, byName) {
		return
	}
	start := members[0].at
	slices.SortStableFunc(members, byName)
	c.scratch = append(c.scratch[:0], c.out[start:]...)
	c.out = c.out[:start]
	for _, m := range members {
		c.out = append(c.out, c.scratch[m.at-start:m.end-start]...)
	}
}
