package kit

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

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
	// Of half an answer nothing can be said.
	if got.Err != nil {
		return []Fault{{What: "answer", Expected: "a whole HTTP answer", Actual: got.Err.Error()}}, nil
	}

	// Everything is compared, though the first fault decides: whoever mends the target sees
	// at once all that is wrong with the answer.
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

// headers are compared in the order of their names, so that two reports of one fault are
// the same.
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
			// A value that is put into a pattern stands for itself: a URL is full of dots.
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
		return true // the suite is at fault, and the target is not blamed
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
