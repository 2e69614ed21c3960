package kit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"caselink.example/conformance/kit/jsontree"
	"caselink.example/conformance/kit/suite"
)

// answer is what came back for a request.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	Err    error // there was no whole answer
}

// kept is an exchange that later steps compare with.
type kept struct {
	Sent     []byte
	Received answer
}

// judge compares an answer with what is expected of it. The error is the suite's
// fault, the faults are the target's.
func judge(e suite.Expect, got answer, vs *vars, exchanges map[string]kept) ([]Fault, error) {
	if got.Err != nil {
		return []Fault{{What: "answer", Expected: "a whole HTTP answer", Actual: got.Err.Error()}}, nil
	}
	j := &judgement{got: got, vars: vs}
	j.status(e.Status)
	j.headers(e.Headers)
	j.texts(e)
	if len(e.Issues) > 0 || len(e.Body) > 0 || e.SameAs != nil {
		j.document(e, exchanges)
	}
	if e.IdenticalTo != "" {
		j.identical(e.IdenticalTo, exchanges)
	}
	return j.faults, j.err
}

// judgement gathers the faults of one answer.
type judgement struct {
	got    answer
	vars   *vars
	faults []Fault
	err    error
}

func (j *judgement) fault(what, expected, actual string) {
	j.faults = append(j.faults, Fault{What: what, Expected: expected, Actual: actual})
}

// expand puts the variables in; a missing one is the suite's fault.
func (j *judgement) expand(s string, escape func(string) string) string {
	out, err := j.vars.expand(s, escape)
	if err != nil && j.err == nil {
		j.err = err
	}
	return out
}

func (j *judgement) status(want suite.Statuses) {
	if slices.Contains(want, j.got.Status) {
		return
	}
	texts := make([]string, len(want))
	for i, s := range want {
		texts[i] = strconv.Itoa(s)
	}
	j.fault("status", strings.Join(texts, " or "), strconv.Itoa(j.got.Status))
}

func (j *judgement) headers(want map[string]suite.HeaderExpect) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		h, got := want[name], j.got.Header.Get(name)
		switch {
		case h.Exists != nil:
			if *h.Exists != (got != "") {
				j.fault("header "+name, existence(*h.Exists), shown(got))
			}
		case h.Equals != "":
			if text := j.expand(h.Equals, asIs); got != text {
				j.fault("header "+name, text, shown(got))
			}
		default:
			if pattern := j.expand(h.Matches, regexp.QuoteMeta); !j.matches(pattern, got) {
				j.fault("header "+name, "matches "+pattern, shown(got))
			}
		}
	}
}

func (j *judgement) matches(pattern, s string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		j.err = err
		return true
	}
	return re.MatchString(s)
}

func existence(exists bool) string {
	if exists {
		return "present"
	}
	return "absent"
}

func shown(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}

func (j *judgement) texts(e suite.Expect) {
	for _, text := range e.Text {
		if text = j.expand(text, asIs); !bytes.Contains(j.got.Body, []byte(text)) {
			j.fault("body", "has the text "+text, "has it nowhere")
		}
	}
	for _, text := range e.NoText {
		if text = j.expand(text, asIs); bytes.Contains(j.got.Body, []byte(text)) {
			j.fault("body", "has the text "+text+" nowhere", "has it")
		}
	}
	if e.Empty && len(bytes.TrimSpace(j.got.Body)) > 0 {
		j.fault("body", "empty", fmt.Sprintf("%d bytes", len(j.got.Body)))
	}
}

func (j *judgement) document(e suite.Expect, exchanges map[string]kept) {
	document, err := jsontree.ParseJSON(j.got.Body)
	if err != nil {
		j.fault("body", "JSON", "not JSON: "+err.Error())
		return
	}
	if len(e.Issues) > 0 {
		j.issues(document, e.Issues)
	}
	for _, b := range e.Body {
		j.body(document, b)
	}
	if e.SameAs != nil {
		j.same(document, *e.SameAs, exchanges)
	}
}

// issues wants an OperationOutcome with an issue for each expectation.
// https://hl7.org/fhir/R4/operationoutcome.html
func (j *judgement) issues(document any, want []suite.IssueExpect) {
	object, _ := document.(map[string]any)
	if object["resourceType"] != "OperationOutcome" {
		j.fault("body resourceType", "OperationOutcome", jsontree.WriteJSON(object["resourceType"]))
		return
	}
	issues := jsontree.Member("issue", false)([]any{document})
	for _, w := range want {
		w.Expression = j.expand(w.Expression, asIs)
		if !slices.ContainsFunc(issues, func(issue any) bool { return meets(issue, w) }) {
			j.fault("body issue", describe(w), summary(issues))
		}
	}
}

func meets(issue any, w suite.IssueExpect) bool {
	code := jsontree.Member("code", false)([]any{issue})
	if len(w.Code) > 0 && (len(code) != 1 || !slices.ContainsFunc(w.Code, func(c string) bool { return code[0] == c })) {
		return false
	}
	return w.Expression == "" || slices.ContainsFunc(jsontree.Member("expression", false)([]any{issue}), func(v any) bool {
		s, ok := v.(string)
		return ok && strings.HasPrefix(s, w.Expression)
	})
}

func describe(w suite.IssueExpect) string {
	var parts []string
	if len(w.Code) > 0 {
		parts = append(parts, "code "+strings.Join(w.Code, " or "))
	}
	if w.Expression != "" {
		parts = append(parts, "expression "+w.Expression)
	}
	return "an issue with " + strings.Join(parts, " and ")
}

// summary is the codes and expressions of issues, without their texts.
func summary(issues []any) string {
	var parts []string
	for _, i := range issues {
		var words []string
		for _, v := range slices.Concat(jsontree.Member("code", false)([]any{i}), jsontree.Member("expression", false)([]any{i})) {
			words = append(words, textOf(v))
		}
		parts = append(parts, strings.Join(words, " at "))
	}
	return "issues: " + shown(strings.Join(parts, "; "))
}

func (j *judgement) body(document any, b suite.BodyExpect) {
	p, err := jsontree.ParsePath(j.expand(b.Path, asIs))
	if err != nil {
		j.err = err
		return
	}
	found := p.Eval(document)
	what := "body " + j.expand(b.Path, asIs)
	switch {
	case b.Exists != nil:
		if *b.Exists != (len(found) > 0) {
			j.fault(what, existence(*b.Exists), values(found))
		}
	case b.Count != nil:
		if len(found) != *b.Count {
			j.fault(what, fmt.Sprintf("%d values", *b.Count), fmt.Sprintf("%d values", len(found)))
		}
	case b.AtLeast != nil:
		if len(found) < *b.AtLeast {
			j.fault(what, fmt.Sprintf("at least %d values", *b.AtLeast), fmt.Sprintf("%d values", len(found)))
		}
	case b.Matches != "":
		pattern := j.expand(b.Matches, regexp.QuoteMeta)
		if len(found) == 0 || slices.ContainsFunc(found, func(v any) bool { return !j.matches(pattern, textOf(v)) }) {
			j.fault(what, "matches "+pattern, values(found))
		}
	default:
		j.values(what, found, b)
	}
}

// values judges equals and contains.
func (j *judgement) values(what string, found []any, b suite.BodyExpect) {
	wanted := b.Equals
	if wanted == nil {
		wanted = b.Contains
	}
	want, err := expandValue(wanted.JSON, j.vars)
	if err != nil {
		j.err = err
		return
	}
	if b.Contains != nil {
		if !slices.ContainsFunc(found, func(v any) bool { return jsontree.SameValue(v, want) }) {
			j.fault(what, "contains "+jsontree.WriteJSON(want), values(found))
		}
		return
	}
	if list := jsontree.Flat(want); !jsontree.SameValue(append([]any{}, found...), append([]any{}, list...)) {
		j.fault(what, values(list), values(found))
	}
}

// textOf is a value as text: a string as it is, anything else as JSON.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return jsontree.WriteJSON(v)
}

// maxShown is how much of a body a fault quotes, in bytes.
const maxShown = 500

func values(found []any) string {
	if len(found) == 0 {
		return "nothing"
	}
	parts := make([]string, len(found))
	for i, v := range found {
		parts[i] = jsontree.WriteJSON(v)
	}
	text := strings.Join(parts, ", ")
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "..."
	}
	return text
}

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
		names := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
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

// perRequest are the headers that differ between two identical answers.
var perRequest = []string{"Date", "X-Request-Id"}

// identical wants the same status, headers and bytes as a kept answer.
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
	names := slices.Concat(slices.Collect(maps.Keys(was.Header)), slices.Collect(maps.Keys(j.got.Header)))
	slices.Sort(names)
	for _, header := range slices.Compact(names) {
		if a, b := was.Header[header], j.got.Header[header]; !slices.Contains(perRequest, header) && !slices.Equal(a, b) {
			j.fault("header "+header, shown(strings.Join(a, ", "))+", as in "+name, shown(strings.Join(b, ", ")))
		}
	}
	if !bytes.Equal(was.Body, j.got.Body) {
		j.fault("body", "the same bytes as in "+name, "other bytes")
	}
}
