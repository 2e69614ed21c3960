package fhir

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
)

// LastUpdatedLayout is how Caselink writes meta.lastUpdated: UTC, to the microsecond
// that the store keeps.
const LastUpdatedLayout = "2006-01-02T15:04:05.000000Z"

// Stamp returns a copy of a resource's JSON with the id, meta.versionId and
// meta.lastUpdated of m, in place of those that are there. No other byte changes. The
// bytes are those of a Resource; anything else is an IssueException.
func Stamp(json []byte, m Meta) ([]byte, error) {
	nodes, fault := scan(json)
	if fault != nil {
		return nil, Errorf(IssueException, "internal error").Because(fault)
	}
	s := splicer{checker: checker{tree: &tree{raw: json, nodes: nodes}}}
	typed := s.member(0, resourceType)
	if typed == 0 {
		return nil, Errorf(IssueException, "internal error").Because(errors.New("stamp: no resourceType"))
	}
	version := appendQuoted(nil, strconv.Itoa(m.Version))
	updated := appendQuoted(nil, m.LastUpdated.UTC().Format(LastUpdatedLayout))
	s.set(0, "id", appendQuoted(nil, m.ID), nodes[typed].end)
	if meta := s.member(0, "meta"); meta != 0 && nodes[meta].child != 0 {
		s.set(meta, "versionId", version, nodes[meta].at)
		s.set(meta, "lastUpdated", updated, nodes[meta].at)
	} else {
		s.set(0, "meta", slices.Concat([]byte(`{"versionId":`), version, []byte(`,"lastUpdated":`), updated, []byte("}")), nodes[typed].end)
	}
	return s.apply(), nil
}

// splicer collects edits of a JSON text.
type splicer struct {
	checker
	edits []edit
}

// edit replaces the bytes from at to end.
type edit struct {
	at, end int32
	text    []byte
}

// member finds a member of object i by its name; 0 for none.
func (s *splicer) member(i int32, name string) int32 {
	for m := s.nodes[i].child; m != 0; m = s.nodes[m].next {
		if string(s.name(m)) == name {
			return m
		}
	}
	return 0
}

// set gives a member of object i, which is not empty, the value: in place, or as a new
// member. A new one goes behind the member that ends at after, or before all when i
// starts there.
func (s *splicer) set(i int32, name string, value []byte, after int32) {
	if m := s.member(i, name); m != 0 {
		s.edits = append(s.edits, edit{s.nodes[m].at, s.nodes[m].end, value})
		return
	}
	text := append(appendQuoted(nil, name), ':')
	text = append(text, value...)
	if after == s.nodes[i].at {
		after, text = after+1, append(text, ',')
	} else {
		text = append([]byte{','}, text...)
	}
	s.edits = append(s.edits, edit{after, after, text})
}

// apply returns the text with all edits made.
func (s *splicer) apply() []byte {
	slices.SortStableFunc(s.edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	size := len(s.raw)
	for _, e := range s.edits {
		size += len(e.text)
	}
	out, at := make([]byte, 0, size), int32(0)
	for _, e := range s.edits {
		out = append(append(out, s.raw[at:e.at]...), e.text...)
		at = e.end
	}
	return append(out, s.raw[at:]...)
}
