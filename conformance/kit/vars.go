package kit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"caselink.example/conformance/kit/jsontree"
)

// vars are what ${name} stands for in a suite. Names with these beginnings are made
// fresh from the seed when they are first met, and stay the same for the run:
//
//	uuid.X          a random-looking UUID
//	nhsNumber.X     a fictional NHS number: 999, six digits, a sound check digit
//	badNHSNumber.X  the same with a wrong check digit
type vars struct {
	seed   string
	values map[string]string
	secret func(string) // called with every NHS number that is made
}

// missing is a variable that has no value.
type missing string

func (m missing) Error() string { return "${" + string(m) + "} has no value" }

var variable = regexp.MustCompile(`\$\{([A-Za-z][A-Za-z0-9.-]*)\}`)

// expand replaces each ${name} in s by its value passed through escape.
func (v *vars) expand(s string, escape func(string) string) (string, error) {
	var fault error
	out := variable.ReplaceAllStringFunc(s, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value, ok := v.get(name)
		if !ok && fault == nil {
			fault = missing(name)
		}
		return escape(value)
	})
	return out, fault
}

func asIs(s string) string { return s }

// inJSON escapes a value for the inside of a JSON string.
func inJSON(s string) string {
	quoted := jsontree.WriteJSON(s)
	return quoted[1 : len(quoted)-1]
}

// get is the value of a variable, made fresh where its name says so.
func (v *vars) get(name string) (string, bool) {
	if value, ok := v.values[name]; ok {
		return value, true
	}
	kind, what, _ := strings.Cut(name, ".")
	var value string
	switch kind {
	case "uuid":
		value = freshUUID(v.seed, what)
	case "nhsNumber":
		value = freshNHSNumber(v.seed, what, 0)
		v.secret(value)
	case "badNHSNumber":
		// Redacted as well: no check digit would give it away to the redactor.
		value = freshNHSNumber(v.seed, what, 1)
		v.secret(value)
	default:
		return "", false
	}
	v.values[name] = value
	return value, true
}

// with is v with more values. What is made fresh in it is the same in v: both make it from
// the seed and the name.
func (v *vars) with(more map[string]string) (*vars, error) {
	if len(more) == 0 {
		return v, nil
	}
	inner := &vars{seed: v.seed, values: map[string]string{}, secret: v.secret}
	for name, text := range more {
		value, err := v.expand(text, asIs)
		if err != nil {
			return nil, err
		}
		inner.values[name] = value
	}
	// A copy, so that what this step alone says ends with it.
	for name, value := range v.values {
		if _, own := inner.values[name]; !own {
			inner.values[name] = value
		}
	}
	return inner, nil
}

// expandValue puts the variables into every string of a JSON value.
func expandValue(v any, vs *vars) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		return vs.expand(v, asIs)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			if out[i], err = expandValue(v[i], vs); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for name := range v {
			if out[name], err = expandValue(v[name], vs); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func freshUUID(seed, name string) string {
	sum := sha256.Sum256([]byte(seed + "\x00uuid\x00" + name))
	id, err := uuid.FromBytes(sum[:16])
	if err != nil {
		panic(err) // sixteen bytes always make one
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4, the usual variant
	return id.String()
}

// freshNHSNumber makes a number of the range 999, which is never issued. wrong is
// added to the check digit.
// https://www.datadictionary.nhs.uk/attributes/nhs_number.html
func freshNHSNumber(seed, name string, wrong int) string {
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00nhs\x00%s\x00%d", seed, name, n))
		digits := fmt.Sprintf("999%06d", binary.BigEndian.Uint32(sum[:])%1_000_000)
		// One of eleven has no check digit, and is no number.
		if check := checkDigit(digits); check < 10 {
			return digits + fmt.Sprint((check+wrong)%10)
		}
	}
}

// checkDigit is the modulus 11 check digit of nine digits; 10 means that there is none.
func checkDigit(nine string) int {
	sum := 0
	for i := range 9 {
		sum += int(nine[i]-'0') * (10 - i)
	}
	return (11 - sum%11) % 11
}
