package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader keeps where each key was found, so that a fault can say its line.
type reader struct {
	file   string
	env    Environment
	where  map[string]string // from a key's path, such as practices[0].ods, to its place
	faults faults
}

// fault notes what is wrong with the key, at its line or that of the nearest key around it.
func (r *reader) fault(path, format string, args ...any) {
	place := r.file
	// A key that is missing has no line of its own.
	for around := path; around != ""; around = around[:max(strings.LastIndexAny(around, ".["), 0)] {
		if found, ok := r.where[around]; ok {
			place = found
			break
		}
	}
	r.faults = append(r.faults, fmt.Sprintf("%s: %s: %s", place, path, fmt.Sprintf(format, args...)))
}

// decode puts the node, nil where the key is absent, into v. Unlike yaml's own it
// goes on after a fault and knows the environment.
func (r *reader) decode(n *yaml.Node, v reflect.Value, path string) {
	// What came from the environment has its place already.
	if n != nil && path != "" && r.where[path] == "" {
		r.where[path] = r.file + ":" + strconv.Itoa(n.Line)
	}
	switch {
	case v.Kind() == reflect.Struct:
		r.decodeStruct(n, v, path)
	case n == nil:
	case v.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			r.decode(content(item), v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case v.Kind() == reflect.Slice:
		r.fault(path, "must be a list")
	// yaml's own error is left out: it quotes the value, which may be a secret.
	case n.Kind != yaml.ScalarNode || n.Decode(v.Addr().Interface()) != nil:
		r.fault(path, "must be a %s", map[reflect.Kind]string{reflect.String: "text", reflect.Int: "whole number"}[v.Kind()])
	}
}

func (r *reader) decodeStruct(n *yaml.Node, v reflect.Value, path string) {
	values := r.values(n, path)
	var known []string
	for i := range v.NumField() {
		key := keyOf(v.Type().Field(i))
		if key == "-" {
			continue
		}
		known = append(known, key)
		inner := strings.TrimPrefix(path+"."+key, ".")
		value := values[key]
		delete(values, key)
		if fromEnv := r.fromEnvironment(inner, v.Field(i).Kind()); fromEnv != nil {
			value = fromEnv
		}
		r.decode(content(value), v.Field(i), inner)
	}

	// What is left has no field. A misspelt key would else be a default that nobody chose.
	for _, key := range slices.Sorted(maps.Keys(values)) {
		inner := strings.TrimPrefix(path+"."+key, ".")
		r.where[inner] = r.file + ":" + strconv.Itoa(values[key].Line)
		r.fault(inner, "unknown key; known here: %s", strings.Join(known, ", "))
	}
}

// keyOf is the field's key; a type of another room has only its JSON name.
func keyOf(f reflect.StructField) string {
	tag := f.Tag.Get("yaml")
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	key, _, _ := strings.Cut(tag, ",")
	return key
}

// values are the keys and values of a mapping.
func (r *reader) values(n *yaml.Node, path string) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	if n == nil {
		return values
	}
	if n.Kind != yaml.MappingNode {
		r.fault(path, "must be keys and values")
		return values
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		// yaml would take the last one without a word, and people read the first.
		if first := values[key.Value]; first != nil {
			r.fault(strings.TrimPrefix(path+"."+key.Value, "."), "is in line %d and again in line %d: keep one", first.Line, key.Line)
			continue
		}
		values[key.Value] = n.Content[i+1]
	}
	return values
}

// fromEnvironment is the value of the key's environment variable, nil where there is
// none. Keys within lists have none of their own.
func (r *reader) fromEnvironment(path string, kind reflect.Kind) *yaml.Node {
	name := "CASELINK_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
	text, ok := r.env[name]
	// A struct has no value of its own; Kubernetes sets such names for a service, as in
	// CASELINK_PORT.
	if !ok || kind == reflect.Struct || strings.Contains(path, "[") {
		return nil
	}
	r.where[path] = "environment " + name
	// Text is taken as it is: read as YAML, a password such as 0123 or no is another value.
	if kind == reflect.String {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		r.fault(path, "is not YAML")
		return nil
	}
	return &document
}

// content is what a node stands for, nil for nothing.
func content(n *yaml.Node) *yaml.Node {
	switch {
	case n == nil || n.Kind == 0 || n.Tag == "!!null":
		return nil
	case n.Kind == yaml.DocumentNode:
		return content(n.Content[0])
	case n.Kind == yaml.AliasNode:
		return content(n.Alias)
	}
	return n
}
