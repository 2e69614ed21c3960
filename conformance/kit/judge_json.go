package kit

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"caselink.example/conformance/kit/jsontree"
	"caselink.example/conformance/kit/suite"
)

// document judges what is expected of a JSON body.
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
	issues := jsontree.Member(document, "issue")
	for _, w := range want {
		w.Expression = j.expand(w.Expression, asIs)
		if !slices.ContainsFunc(issues, func(issue any) bool { return meets(issue, w) }) {
			j.fault("body issue", describe(w), summary(issues))
		}
	}
}

// meets reports whether the issue is what is wanted.
func meets(issue any, w suite.IssueExpect) bool {
	code := jsontree.Member(issue, "code")
	oneOf := func(c string) bool { return len(code) == 1 && code[0] == c }
	if len(w.Code) > 0 && !slices.ContainsFunc(w.Code, oneOf) {
		return false
	}
	// A prefix: a server may point further in, at the coding of the code that is wrong.
	return w.Expression == "" || slices.ContainsFunc(jsontree.Member(issue, "expression"), func(v any) bool {
		s, ok := v.(string)
		return ok && strings.HasPrefix(s, w.Expression)
	})
}

// describe says in words what issue is wanted.
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

// summary is the codes and expressions of issues, without their texts, which may quote a
// patient.
func summary(issues []any) string {
	var parts []string
	for _, i := range issues {
		var words []string
		for _, v := range slices.Concat(jsontree.Member(i, "code"), jsontree.Member(i, "expression")) {
			words = append(words, textOf(v))
		}
		parts = append(parts, strings.Join(words, " at "))
	}
	return "issues: " + shown(strings.Join(parts, "; "))
}

// body judges one path.
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
		differs := func(v any) bool { return !j.matches(pattern, textOf(v)) }
		// Nothing matches every pattern, and proves none.
		if len(found) == 0 || slices.ContainsFunc(found, differs) {
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
	if list := jsontree.Flat(want); !slices.EqualFunc(found, list, jsontree.SameValue) {
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

// values shows what was found, shortened.
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
