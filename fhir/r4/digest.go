package r4

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// Digest is the SHA-256 of what a resource says, whatever its spelling: names in order,
// no white space, strings by value, numbers as they were written. What a server adds is
// left out: the resource's id, meta.versionId, meta.lastUpdated, and a meta that is
// then empty. The bytes are those of a Resource; of others the digest says nothing.
func Digest(json []byte) [sha256.Size]byte {
	// Not RFC 8785: it writes every number as a float would, so that 1.50 becomes 1.5 and a
	// long decimal another one. FHIR keeps the digits as sent, and so does this.
	c := canonical{skimmer: skimmer{raw: json}, out: make([]byte, 0, len(json)+len(json)/8)}
	c.space()
	c.value(atRoot)
	return sha256.Sum256(c.out)
}

// canonical writes the one spelling of a JSON value to out while it reads raw.
type canonical struct {
	skimmer
	out     []byte
	scratch []byte
}

// place says whose members are read: some of the root and of its meta are left out.
type place uint8

const (
	atRoot place = iota
	atMeta
	elsewhere
)

func (c *canonical) value(p place) {
	switch c.peek() {
	case '{':
		c.object(p)
	case '[':
		c.array()
	case '"':
		c.string(c.text())
	default:
		c.out = append(c.out, c.word()...)
	}
}

// string writes a string with the fewest escapes.
func (c *canonical) string(quoted []byte, escaped bool) {
	if escaped {
		c.scratch = appendUnquoted(c.scratch[:0], quoted)
		c.out = appendQuoted(c.out, string(c.scratch))
		return
	}
	c.out = append(c.out, quoted...)
}

func (c *canonical) array() {
	c.step()
	c.out = append(c.out, '[')
	for c.next(']') {
		c.value(elsewhere)
		c.out = append(c.out, ',')
	}
	c.out = append(c.out, ']')
}

// member is one member in out: its name from at to name, its value and comma to end.
type member struct{ at, name, end int }

func (c *canonical) object(p place) {
	c.step()
	c.out = append(c.out, '{')
	var few [16]member // on the stack: few objects have more
	members := few[:0]
	for c.next('}') {
		// The member is written before it is known whether it counts, and taken back: what
		// its name means is known only once its escapes are gone.
		m := member{at: len(c.out)}
		c.string(c.name())
		m.name = len(c.out)
		c.out = append(c.out, ':')
		if c.leftOut(p, m) {
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

// leftOut writes the value of a member and reports whether a server adds it.
func (c *canonical) leftOut(p place, m member) bool {
	if p == elsewhere {
		c.value(elsewhere)
		return false
	}
	switch name := string(c.out[m.at:m.name]); {
	case p == atRoot && name == `"id"`, p == atMeta && (name == `"versionId"` || name == `"lastUpdated"`):
		c.skip()
		return true
	case p == atRoot && name == `"meta"`:
		c.value(atMeta)
		return string(c.out[m.name:]) == ":{}"
	}
	c.value(elsewhere)
	return false
}

// sort puts the members, which lie at the end of out, in the order of their names.
func (c *canonical) sort(members []member) {
	byName := func(a, b member) int { return bytes.Compare(c.out[a.at:a.name], c.out[b.at:b.name]) }
	if slices.IsSortedFunc(members, byName) {
		return
	}

	// The names are read where they stand, so out is copied aside and put together anew.
	start := members[0].at
	slices.SortStableFunc(members, byName)
	c.scratch = append(c.scratch[:0], c.out[start:]...)
	end := start
	for _, m := range members {
		end += copy(c.out[end:], c.scratch[m.at-start:m.end-start])
	}
}
