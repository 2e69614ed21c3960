package jsontree

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Path is a small part of FHIRPath: names, [n], where(path = 'x'), first(), last(),
// count() and distinct(). A name reaches through arrays, as in FHIRPath; it may hold
// hyphens, which plain JSON has.
//
// https://hl7.org/fhirpath/N1/
type Path []pathStep

type pathStep func([]any) []any

// Eval returns what the path selects from a document.
func (p Path) Eval(document any) []any {
	found := []any{document}
	for _, step := range p {
		found = step(found)
	}
	return found
}

// ParsePath reads a path such as entry.resource.where(status='final').id.
func ParsePath(s string) (Path, error) {
	r := &pathReader{rest: s}
	p, err := r.path()
	if err == nil && r.rest != "" {
		err = fmt.Errorf("cannot read on from %q", r.rest)
	}
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", s, err)
	}
	return p, nil
}

type pathReader struct{ rest string }

func (r *pathReader) path() (Path, error) {
	var p Path
	for {
		name := r.name()
		if name == "" {
			return nil, fmt.Errorf("a name is missing before %q", r.rest)
		}
		if r.take("(") {
			step, err := r.function(name)
			if err != nil {
				return nil, err
			}
			p = append(p, step)
		} else {
			p = append(p, member(name, len(p) == 0))
		}
		for r.take("[") {
			i, err := strconv.Atoi(r.name())
			if err != nil || !r.take("]") {
				return nil, fmt.Errorf("an index is a number in brackets")
			}
			p = append(p, index(i))
		}
		if !r.take(".") {
			return p, nil
		}
	}
}

func (r *pathReader) take(token string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(r.rest, " "), token)
	if ok {
		r.rest = rest
	}
	return ok
}

func (r *pathReader) name() string {
	end := strings.IndexFunc(r.rest, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '-'
	})
	if end < 0 {
		end = len(r.rest)
	}
	name := r.rest[:end]
	r.rest = r.rest[end:]
	return name
}

func (r *pathReader) function(name string) (pathStep, error) {
	if name == "where" {
		return r.where()
	}
	f, ok := map[string]pathStep{
		"first":    func(in []any) []any { return in[:min(1, len(in))] },
		"last":     func(in []any) []any { return in[max(0, len(in)-1):] },
		"count":    func(in []any) []any { return []any{json.Number(strconv.Itoa(len(in)))} },
		"distinct": distinct,
	}[name]
	if !ok || !r.take(")") {
		return nil, fmt.Errorf("there is no function %s() here", name)
	}
	return f, nil
}

// where reads path = 'literal' and its closing parenthesis.
func (r *pathReader) where() (pathStep, error) {
	inner, err := r.path()
	if err != nil {
		return nil, err
	}
	if !r.take("=") || !r.take("'") {
		return nil, fmt.Errorf("where() takes path = 'text'")
	}
	literal, rest, ok := strings.Cut(r.rest, "'")
	r.rest = rest
	if !ok || !r.take(")") {
		return nil, fmt.Errorf("where() takes path = 'text'")
	}
	return func(in []any) []any {
		var kept []any
		for _, v := range in {
			// Any of what the path selects will do: a code has several codings, and = of
			// FHIRPath wants exactly one value.
			if slices.Contains(inner.Eval(v), any(literal)) {
				kept = append(kept, v)
			}
		}
		return kept
	}, nil
}

// member selects by name; in front, the type of the resource stands for itself.
func member(name string, front bool) pathStep {
	return func(in []any) []any {
		var out []any
		for _, v := range in {
			object, ok := v.(map[string]any)
			if !ok {
				continue
			}
			if front && object["resourceType"] == name {
				out = append(out, object)
			} else if value, ok := object[name]; ok {
				out = append(out, Flat(value)...)
			}
		}
		return out
	}
}

// Flat is an array's values, or the value alone where it is no array.
func Flat(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func index(i int) pathStep {
	return func(in []any) []any {
		if i >= len(in) {
			return nil
		}
		return in[i : i+1]
	}
}

func distinct(in []any) []any {
	// By their text: objects and arrays are no keys of a map.
	seen := map[string]bool{}
	var out []any
	for _, v := range in {
		if text := WriteJSON(v); !seen[text] {
			seen[text] = true
			out = append(out, v)
		}
	}
	return out
}
