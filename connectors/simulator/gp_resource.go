package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"caselink.example/fhir"
)

// resource is a Task or Observation as a GP system understands it. Its bytes stay as
// they came; only id and meta are put in.
type resource struct {
	kind        string
	id          string
	status      string
	intent      string
	hasCode     bool
	identifiers []fhir.Identifier
	refs        map[string][]reference // by search parameter: subject, focus, based-on
	raw         []byte
	idAt        span // of the values within raw; empty when there is none
	metaAt      span
	firstAt     int // behind the opening brace
}

type reference struct {
	Reference  string          `json:"reference"`
	Identifier fhir.Identifier `json:"identifier"`
}

// given reports whether the reference says anything.
func (r reference) given() bool { return r.Reference != "" || r.Identifier.Value != "" }

type span struct{ from, to int }

// parse reads a resource and takes over its bytes. Line breaks, which JSON has between
// its members only, become blanks: the record has one line for each version.
func parse(raw []byte) (*resource, error) {
	if !utf8.Valid(raw) {
		return nil, fhir.Errorf(fhir.IssueStructure, "not UTF-8")
	}
	r := &resource{raw: raw, refs: map[string][]reference{}}
	members, err := membersOf(raw)
	if err != nil {
		return nil, fhir.Errorf(fhir.IssueStructure, "not one JSON object with each member once").Because(err)
	}
	r.firstAt = bytes.IndexByte(raw, '{') + 1
	for name, m := range members {
		if err := r.take(name, m); err != nil {
			return nil, fhir.Errorf(fhir.IssueStructure, "%s has the wrong shape", name).Because(err)
		}
	}
	for i, b := range raw {
		if b == '\n' || b == '\r' {
			raw[i] = ' '
		}
	}
	return r, nil
}

type member struct {
	value json.RawMessage
	at    span
}

// membersOf finds the members of one JSON object.
func membersOf(raw []byte) (map[string]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("no object: %w", err)
	}
	members := map[string]member{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var m member
		if err := decoder.Decode(&m.value); err != nil {
			return nil, err
		}
		end := int(decoder.InputOffset()) // just behind the value, whatever follows
		m.at = span{end - len(m.value), end}
		if _, twice := members[name.(string)]; twice {
			return nil, fmt.Errorf("member %s twice", name)
		}
		members[name.(string)] = m
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}

	// The decoder stops at the brace: a second document behind it would go unread.
	if rest := bytes.TrimSpace(raw[decoder.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes behind the object", len(rest))
	}
	return members, nil
}

// take reads the members that a GP system looks at.
func (r *resource) take(name string, m member) error {
	switch name {
	case "resourceType":
		return json.Unmarshal(m.value, &r.kind)
	case "id":
		r.idAt = m.at
		return json.Unmarshal(m.value, &r.id)
	case "meta":
		r.metaAt = m.at
		_, err := membersOf(m.value)
		return err
	case "status":
		return json.Unmarshal(m.value, &r.status)
	case "intent":
		return json.Unmarshal(m.value, &r.intent)
	case "code":
		r.hasCode = true
		return json.Unmarshal(m.value, &struct{}{})
	case "identifier":
		return json.Unmarshal(m.value, &r.identifiers)
	case "for", "subject":
		return r.takeReferences("subject", m.value)
	case "focus":
		return r.takeReferences("focus", m.value)
	case "basedOn":
		return r.takeReferences("based-on", m.value)
	}
	return nil
}

// takeReferences reads one reference or a list: Task.focus is one, Observation.focus many.
func (r *resource) takeReferences(param string, value json.RawMessage) error {
	var refs []reference
	if value[0] == '[' {
		if err := json.Unmarshal(value, &refs); err != nil {
			return err
		}
	} else {
		refs = make([]reference, 1)
		if err := json.Unmarshal(value, &refs[0]); err != nil {
			return err
		}
	}
	r.refs[param] = refs
	return nil
}

// withMeta is the resource with its id and its place in the history.
func (r *resource) withMeta(id string, version int, at time.Time) []byte {
	meta := fmt.Appendf(nil, `{"versionId":"%d","lastUpdated":"%s"`, version, at.UTC().Format(time.RFC3339Nano))
	if r.metaAt.to > 0 {
		members, _ := membersOf(r.raw[r.metaAt.from:r.metaAt.to]) // parse has read them once
		for _, name := range []string{"source", "profile", "security", "tag", "extension"} {
			if m, ok := members[name]; ok {
				meta = fmt.Appendf(meta, `,%q:%s`, name, m.value)
			}
		}
	}
	meta = append(meta, '}')
	edits := []edit{{r.metaAt, `"meta":`, meta}, {r.idAt, `"id":`, []byte(strconv.Quote(id))}}

	// splice goes from front to back; members may come in any order.
	if r.idAt.from < r.metaAt.from {
		edits[0], edits[1] = edits[1], edits[0]
	}
	return r.splice(edits)
}

// edit puts a value at a place, or a new member in front when the place is empty.
type edit struct {
	at    span
	name  string
	value []byte
}

// splice applies edits that are in the order of their places.
func (r *resource) splice(edits []edit) []byte {
	out := append(make([]byte, 0, len(r.raw)+256), r.raw[:r.firstAt]...)
	for _, e := range edits {
		if e.at.to == 0 {
			out = append(append(append(out, e.name...), e.value...), ',')
		}
	}
	from := r.firstAt
	for _, e := range edits {
		if e.at.to > 0 {
			out = append(append(out, r.raw[from:e.at.from]...), e.value...)
			from = e.at.to
		}
	}
	return append(out, r.raw[from:]...)
}

const nhsNumberSystem = "https://fhir.nhs.uk/Id/nhs-number"

var (
	taskStatus = words(`draft requested received accepted rejected ready cancelled in-progress on-hold failed completed
		entered-in-error`)
	taskIntent        = words("unknown proposal plan order original-order reflex-order filler-order instance-order option")
	observationStatus = words("registered preliminary final amended corrected cancelled entered-in-error unknown")
)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		set[word] = true
	}
	return set
}

// check refuses what this practice cannot file: every fault at once.
func (p Practice) check(r *resource) error {
	// What is checked is what a practice's staff would miss, not all of R4: real systems
	// take much that the specification does not.
	var faults fhir.Errors
	need := func(ok bool, element string) {
		if !ok {
			faults = append(faults, fhir.Errorf(fhir.IssueUnacceptable, "missing, or not one of R4's codes").At(r.kind+"."+element))
		}
	}
	subject := "subject"
	if r.kind == "Task" {
		subject = "for"
		need(taskStatus[r.status], "status")
		need(taskIntent[r.intent], "intent")
		need(len(r.refs["focus"]) == 1 && r.refs["focus"][0].given(), "focus")
	} else {
		need(observationStatus[r.status], "status")
		need(r.hasCode, "code")
	}
	if refs := r.refs["subject"]; len(refs) != 1 || !p.knows(refs[0].Identifier) {
		faults = append(faults, fhir.Errorf(fhir.IssueBusinessRule,
			"no patient of this practice: give identifier with the NHS number or the practice's own number").At(r.kind+"."+subject))
	}
	return faults.OrNil()
}

// knows reports whether the identifier leads to a patient of the practice.
func (p Practice) knows(id fhir.Identifier) bool {
	if id.System != nhsNumberSystem {
		return p.LocalSystem != "" && id.System == p.LocalSystem && id.Value != ""
	}
	if !soundNHSNumber(id.Value) {
		return false
	}
	if p.Patients == nil {
		return strings.HasPrefix(id.Value, "999")
	}
	return slices.Contains(p.Patients, id.Value)
}

// soundNHSNumber checks ten digits by modulus 11.
// https://www.datadictionary.nhs.uk/attributes/nhs_number.html
func soundNHSNumber(s string) bool {
	if len(s) != 10 {
		return false
	}
	sum := 0
	for i := range 10 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		sum += int(s[i]-'0') * (10 - i)
	}
	// The check digit has weight 1, so a sound number adds up to a multiple of 11;
	// a check digit of 10 cannot be written and so never adds up.
	return sum%11 == 0
}
