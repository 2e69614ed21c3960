package suite

import (
	"encoding/json"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Statuses are the HTTP statuses that will do.
type Statuses []int

// UnmarshalYAML reads one status or a list.
func (s *Statuses) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*s = make(Statuses, 1)
		return n.Decode(&(*s)[0])
	}
	return n.Decode((*[]int)(s))
}

// Value is a JSON value of a suite; its strings may hold variables.
type Value struct{ JSON any }

// UnmarshalYAML reads a value; numbers keep their text.
func (v *Value) UnmarshalYAML(n *yaml.Node) error {
	var err error
	v.JSON, err = valueOf(n)
	return err
}

func valueOf(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, err := valueOf(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := valueOf(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			object[n.Content[i].Value] = v
		}
		return object, nil
	}
	switch n.Tag {
	// As text: 0.10 is not 0.1 to a check that a decimal keeps its digits.
	case "!!int", "!!float":
		return json.Number(n.Value), nil
	case "!!bool":
		return strconv.ParseBool(n.Value)
	case "!!null":
		return nil, nil
	}
	return n.Value, nil
}
