package auth_test

import (
	"testing"

	"caselink.example/connectors/api/auth"
)

func TestScopesAllowWhatSMARTSays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scope, resource, allowed string
	}{
		{"system/ServiceRequest.cruds", "ServiceRequest", "cruds"},
		{"system/ServiceRequest.rs", "ServiceRequest", "rs"},
		{"system/ServiceRequest.c", "ServiceRequest", "c"},
		{"user/Task.u", "Task", "u"},
		{"system/*.rs", "Observation", "rs"},
		{"system/*.*", "Task", "cruds"},
		{"system/Task.read", "Task", "rs"},
		{"system/Task.write", "Task", "cud"},
		{"system/Task.read system/Task.c", "Task", "crs"},
		{"system/Patient.rs", "ServiceRequest", ""},
		{"system/ServiceRequest.sr", "ServiceRequest", ""},
		{"system/ServiceRequest.rr", "ServiceRequest", ""},
		{"system/ServiceRequest.cruds-extra", "ServiceRequest", ""},
		{"system/ServiceRequest.", "ServiceRequest", ""},
		{"system/ServiceRequest", "ServiceRequest", ""},
		{"system/ServiceRequest.rs?status=draft", "ServiceRequest", ""},
		{"SYSTEM/*.*", "Task", ""},
		{"system/task.rs", "Task", ""},
		{"system/Task.rs\tsystem/Task.c", "Task", ""},
		{"system/Task.rs,system/Task.c", "Task", ""},
		{"patient/*.*", "Task", ""},
		{"patient/Task.rs system/*.*", "Task", ""},
		{"system/*.* patient/Task.rs", "Task", ""},
		{"cases.read admin", "Task", ""},
		{"", "Task", ""},
		{"system/*.cruds", "", "cruds"},
	}
	for _, test := range tests {
		t.Run(test.scope, func(t *testing.T) {
			t.Parallel()
			scopes, got := auth.ParseScopes(test.scope), ""
			for _, interaction := range []byte("cruds") {
				if scopes.Allows(test.resource, interaction) {
					got += string(interaction)
				}
			}
			if got != test.allowed {
				t.Errorf("%q allows %q on %s, want %q", test.scope, got, test.resource, test.allowed)
			}
		})
	}
}

func TestNoScopeAllowsAnUnknownInteraction(t *testing.T) {
	t.Parallel()
	for _, interaction := range []byte{0, 'x', '*', '.', ' '} {
		if auth.ParseScopes("system/*.* system/Task.cruds").Allows("Task", interaction) {
			t.Errorf("interaction %q is allowed", interaction)
		}
	}
}

func TestPlainScopesMatchByWholeName(t *testing.T) {
	t.Parallel()
	scopes := auth.ParseScopes("cases.read administrator")
	if !scopes.Has("cases.read") {
		t.Error("cases.read was granted")
	}
	for _, name := range []string{"cases.write", "admin", "cases", ""} {
		if scopes.Has(name) {
			t.Errorf("%q was not granted", name)
		}
	}
}

func FuzzScopes(f *testing.F) {
	f.Add("system/Task.rs user/*.cruds patient/Task.r", "Task")
	f.Fuzz(func(t *testing.T, claim, resource string) {
		scopes := auth.ParseScopes(claim)
		for _, interaction := range []byte("cruds") {
			alone := false
			for _, scope := range scopes {
				alone = alone || auth.Scopes{scope}.Allows(resource, interaction)
			}
			if scopes.Allows(resource, interaction) && !alone {
				t.Errorf("%q allows %c together, but no scope of it alone", claim, interaction)
			}
		}
	})
}
