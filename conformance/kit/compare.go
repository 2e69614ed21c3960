package kit

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"caselink.example/conformance/kit/jsontree"
	"caselink.example/conformance/kit/suite"
)

// same wants the JSON of a kept exchange.
func (j *judgement) same(document any, want suite.SameAs, exchanges map[string]kept) {
	k, ok := exchanges[want.Kept]
	raw := k.Sent
	if want.Received {
		raw = k.Received.Body
	}
	was, err := jsontree.ParseJSON(raw)
	if !ok || err != nil {
		j.err = fmt.Errorf("sameAs: no JSON was kept as %q", want.Kept)
		return
	}
	// Taken out of both: what a server may add, such as meta, counts neither here nor there.
	for _, except := range want.Except {
		p, err := jsontree.ParsePointer(except)
		if err != nil {
			j.err = err
			return
		}
		was, _ = p.Remove(was)
		document, _ = p.Remove(document)
	}
	at, err := jsontree.ParsePointer(want.At)
	if err != nil {
		j.err = err
		return
	}
	a, _ := at.Get(was)
	b, _ := at.Get(document)
	if where, same := difference(a, b, want.At); !same {
		j.fault("body "+shown(where), "the same JSON as in "+want.Kept, "another value, or none")
	}
}

// difference finds the first place at which two values are not the same, as a JSON Pointer.
func difference(a, b any, at string) (string, bool) {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return at, false
		}
		for _, name := range namesOf(a, b) {
			inA, okA := a[name]
			inB, okB := b[name]
			if okA != okB {
				return at + "/" + name, false
			}
			if where, same := difference(inA, inB, at+"/"+name); !same {
				return where, false
			}
		}
		return "", true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return at, false
		}
		for i := range a {
			if where, same := difference(a[i], b[i], fmt.Sprintf("%s/%d", at, i)); !same {
				return where, false
			}
		}
		return "", true
	}
	return at, jsontree.SameValue(a, b)
}

// namesOf are the names of both maps, each once, in order: the first difference is the same
// one in each run.
func namesOf[M ~map[string]V, V any](a, b M) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// perRequest are the headers that differ between two identical answers.
var perRequest = []string{"Date", "X-Request-Id"}

// identical wants the same status, headers and bytes as a kept answer. What is not there
// and what is another practice's must look the same: any difference, a length as well, shows
// a stranger that a person is known here.
func (j *judgement) identical(name string, exchanges map[string]kept) {
	k, ok := exchanges[name]
	if !ok {
		j.err = fmt.Errorf("identicalTo: nothing was kept as %q", name)
		return
	}
	was := k.Received
	if was.Status != j.got.Status {
		j.fault("status", fmt.Sprintf("%d, as in %s", was.Status, name), strconv.Itoa(j.got.Status))
	}
	for _, header := range namesOf(was.Header, j.got.Header) {
		a, b := was.Header[header], j.got.Header[header]
		if !slices.Contains(perRequest, header) && !slices.Equal(a, b) {
			j.fault("header "+header, shown(strings.Join(a, ", "))+", as in "+name, shown(strings.Join(b, ", ")))
		}
	}
	if !bytes.Equal(was.Body, j.got.Body) {
		j.fault("body", "the same bytes as in "+name, "other bytes")
	}
}
