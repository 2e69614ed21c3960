package r4

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"

	"caselink.example/fhir"
)

// LastUpdatedLayout is how Caselink writes meta.lastUpdated: UTC, to the microsecond
// that the store keeps.
const LastUpdatedLayout = "2006-01-02T15:04:05.000000Z"

// Stamp returns a copy of a resource's JSON with the id, meta.versionId and
// meta.lastUpdated of m, in place of those that are there. No other byte changes. The
// bytes are those of a Resource; what is no object with a resourceType is an IssueException.
func Stamp(json []byte, m fhir.Meta) ([]byte, error) {
	// The bytes are spliced, not decoded and written anew: what is returned to a practice is
	// what it sent, to the last digit and white space, with a stamp in it.
	s := splicer{raw: json}
	top := s.members(0)
	typed := top.find(resourceType)
	if typed == nil {
		return nil, fhir.Errorf(fhir.IssueException, "internal error").Because(errors.New("stamp: no resourceType"))
	}
	version := appendQuoted(nil, strconv.Itoa(m.Version))
	updated := appendQuoted(nil, m.LastUpdated.UTC().Format(LastUpdatedLayout))
	s.set(top, "id", appendQuoted(nil, m.ID), typed.end)

	// An empty meta, which no Resource has, is replaced: there is no member to write behind.
	if meta := top.find("meta"); meta != nil && len(s.members(meta.at)) > 0 {
		inner := s.members(meta.at)
		s.set(inner, "versionId", version, meta.at)
		s.set(inner, "lastUpdated", updated, meta.at)
	} else {
		s.set(top, "meta", slices.Concat([]byte(`{"versionId":`), version, []byte(`,"lastUpdated":`), updated, []byte("}")), typed.end)
	}
	return s.apply(), nil
}

// Unstamp returns a copy of a resource's JSON without what Stamp gives it: the id,
// meta.versionId, meta.lastUpdated, and a meta that is then empty. The bytes are those of
// a Resource.
func Unstamp(json []byte) []byte {
	s := splicer{raw: json}
	added := []string{"id"}
	if meta := s.members(0).find("meta"); meta != nil {
		rest := s.without(s.members(meta.at), "versionId", "lastUpdated")
		if string(rest) == "{}" {
			added = append(added, "meta") // FHIR has no empty elements (ele-1)
		}
		s.edits = append(s.edits, edit{meta.at, meta.end, rest})
		s = splicer{raw: s.apply()}
	}
	return s.without(s.members(0), added...)
}

// splicer collects edits of a JSON text.
type splicer struct {
	raw   []byte
	edits []edit
}

// extent is where the value of a member stands.
type extent struct {
	name    []byte
	at, end int
}

type extents []extent

func (es extents) find(name string) *extent {
	for i := range es {
		if string(es[i].name) == name {
			return &es[i]
		}
	}
	return nil
}

type edit struct {
	at, end int
	text    []byte
}

// members are those of the object that starts at.
func (s *splicer) members(at int) extents {
	members := make(extents, 0, 16)
	skim := skimmer{raw: s.raw, at: at}
	if skim.space(); skim.peek() != '{' {
		return nil
	}
	for skim.at++; skim.next('}'); {
		quoted, escaped := skim.name()
		m := extent{name: bytes.Trim(quoted, `"`), at: skim.at}
		if escaped {
			m.name = appendUnquoted(nil, quoted)
		}
		skim.skip()
		m.end = skim.at
		members = append(members, m)
	}
	return members
}

// set gives a member of an object the value: in place, or as a new member behind the
// one that ends at after. When the object itself starts there, the new one is its first.
func (s *splicer) set(members extents, name string, value []byte, after int) {
	if old := members.find(name); old != nil {
		s.edits = append(s.edits, edit{old.at, old.end, value})
		return
	}
	text := append(append(appendQuoted(nil, name), ':'), value...)
	if after < len(s.raw) && s.raw[after] == '{' {
		after++
		text = append(text, ',')
	} else {
		text = append([]byte{','}, text...)
	}
	s.edits = append(s.edits, edit{after, after, text})
}

// without is the object of the members that have none of the names.
func (s *splicer) without(members extents, names ...string) []byte {
	b := []byte{'{'}
	for _, m := range members {
		if slices.Contains(names, string(m.name)) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(appendQuoted(b, string(m.name)), ':'), s.raw[m.at:m.end]...)
	}
	return append(b, '}')
}

// apply returns the text with all edits made.
func (s *splicer) apply() []byte {
	// In their order in the text; two at one place, such as id and meta, in the order they were made.
	slices.SortStableFunc(s.edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	size := len(s.raw)
	for _, e := range s.edits {
		size += len(e.text)
	}
	out, at := make([]byte, 0, size), 0
	for _, e := range s.edits {
		out = append(append(out, s.raw[at:e.at]...), e.text...)
		at = e.end
	}
	return append(out, s.raw[at:]...)
}
