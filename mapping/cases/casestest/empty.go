package casestest

import (
	"reflect"
	"testing"
)

// NoFieldIsEmpty fails the test for every field at or below v that is empty. Of a list
// the first element counts.
func NoFieldIsEmpty(tb testing.TB, path string, v any) {
	tb.Helper()
	full(tb, path, reflect.ValueOf(v))
}

func full(tb testing.TB, path string, v reflect.Value) {
	tb.Helper()
	switch {
	case v.IsZero():
		tb.Errorf("%s is empty", path)
	case v.Kind() == reflect.Pointer:
		full(tb, path, v.Elem())
	case v.Kind() == reflect.Slice:
		full(tb, path, v.Index(0))
	case v.Kind() == reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				full(tb, path+"."+field.Name, value)
			}
		}
	}
}
