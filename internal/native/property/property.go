// Package property reads the properties of a resource. The values were validated when the resource was made, so a value that can not be
// read counts as the default that the caller gives.
package property

import (
	"strconv"
	"strings"
	"time"

	"redoubt/internal/agent"
)

// values returns the values of a property: those of this node before those of all nodes, then the default of the type.
func values(call agent.Call, name string) []string {
	var all []string
	found := false
	for _, p := range call.Resource.Properties {
		if !strings.EqualFold(p.Name, name) {
			continue
		}
		if p.Node == call.Node && p.Node != "" {
			return p.Values
		}
		if p.Node == "" {
			all, found = p.Values, true
		}
	}
	if found {
		return all
	}
	for _, s := range call.Type.Properties {
		if strings.EqualFold(s.Name, name) {
			return s.Default
		}
	}
	return nil
}

// List returns the values of a property.
func List(call agent.Call, name string) []string { return values(call, name) }

// Text returns the value of a property, "" when it has none.
func Text(call agent.Call, name string) string {
	if v := values(call, name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Int returns a number.
func Int(call agent.Call, name string, otherwise int) int {
	if n, err := strconv.Atoi(Text(call, name)); err == nil {
		return n
	}
	return otherwise
}

// Bool returns a truth value.
func Bool(call agent.Call, name string, otherwise bool) bool {
	switch s := Text(call, name); {
	case strings.EqualFold(s, "true"):
		return true
	case strings.EqualFold(s, "false"):
		return false
	}
	return otherwise
}

// Milliseconds and Seconds return a span of time that is given as a number.
func Milliseconds(call agent.Call, name string, otherwise int) time.Duration {
	return time.Duration(Int(call, name, otherwise)) * time.Millisecond
}

// Seconds is like Milliseconds.
func Seconds(call agent.Call, name string, otherwise int) time.Duration {
	return time.Duration(Int(call, name, otherwise)) * time.Second
}
