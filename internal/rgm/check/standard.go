package check

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// field is a standard property that is a field of the record: how it is declared, read and written. Values come normalized.
type field[T any] struct {
	spec model.PropertySpec
	get  func(T) []string
	set  func(*T, []string) error // nil: it can only be read
}

func bound(n int64) *int64 { return &n }

func number(n int) []string { return []string{strconv.Itoa(n)} }

func flag(b bool) []string { return []string{strconv.FormatBool(b)} }

// intField, boolField and textField make the plain fields.
func intField[T any](name, about string, def int, low, high *int64, at func(*T) *int) field[T] {
	return field[T]{
		spec: model.PropertySpec{Name: name, Type: model.TypeInt, Description: about, Default: number(def), Min: low, Max: high, Tunable: model.TunableAnytime},
		get:  func(t T) []string { return number(*at(&t)) },
		set: func(t *T, v []string) (err error) {
			*at(t), err = strconv.Atoi(v[0])
			return err
		},
	}
}

func boolField[T any](name, about string, def bool, at func(*T) *bool) field[T] {
	return field[T]{
		spec: model.PropertySpec{Name: name, Type: model.TypeBool, Description: about, Default: flag(def), Tunable: model.TunableAnytime},
		get:  func(t T) []string { return flag(*at(&t)) },
		set:  func(t *T, v []string) error { *at(t) = v[0] == "true"; return nil },
	}
}

func textField[T any](name, about string, at func(*T) *string) field[T] {
	return field[T]{
		spec: model.PropertySpec{Name: name, Type: model.TypeString, Description: about, Default: []string{""}, Tunable: model.TunableAnytime},
		get:  func(t T) []string { return []string{*at(&t)} },
		set:  func(t *T, v []string) error { *at(t) = v[0]; return nil },
	}
}

// maxSeconds bounds time spans that people give in seconds: ten years.
const maxSeconds = 315_360_000

// dependencyProperty names the property of each kind of dependency.
func dependencyProperty(k model.DependencyKind) string {
	switch k {
	case model.DependWeak:
		return "Resource_dependencies_weak"
	case model.DependRestart:
		return "Resource_dependencies_restart"
	case model.DependOfflineRestart:
		return "Resource_dependencies_offline_restart"
	}
	return "Resource_dependencies"
}

func dependencyKinds() []model.DependencyKind {
	return []model.DependencyKind{model.DependStrong, model.DependWeak, model.DependRestart, model.DependOfflineRestart}
}

// dependencyText writes a dependency as people do: "db", "db{LOCAL_NODE}", "db{@n1}".
func dependencyText(d model.Dependency) string {
	if d.Qualifier == "" {
		return string(d.On)
	}
	return string(d.On) + "{" + d.Qualifier + "}"
}

// parseDependency reads one element of a dependency property.
func parseDependency(k model.DependencyKind, text string) (model.Dependency, error) {
	name, rest, qualified := strings.Cut(strings.TrimSpace(text), "{")
	d := model.Dependency{On: cluster.ResourceName(strings.TrimSpace(name)), Kind: k}
	if on, node, at := strings.Cut(string(d.On), "@"); at && !qualified && node != "" { // as Solaris Cluster writes {@node}
		d.On, d.Qualifier = cluster.ResourceName(on), "@"+node
	}
	if d.On == "" {
		return d, errors.New("an element names no resource")
	}
	if !qualified {
		return d, nil
	}
	q, ok := strings.CutSuffix(rest, "}")
	node, at := strings.CutPrefix(q, "@")
	switch upper := strings.ToUpper(q); {
	case !ok:
		return d, fmt.Errorf("%q lacks the closing brace", text)
	case at && node != "":
		d.Qualifier = q
	case upper == "LOCAL_NODE" || upper == "ANY_NODE":
		d.Qualifier = upper
	case upper == "FROM_RG_AFFINITIES": // the default, which has no word in the record
	default:
		return d, fmt.Errorf("%q: the qualifiers are LOCAL_NODE, ANY_NODE, FROM_RG_AFFINITIES and @node", text)
	}
	return d, nil
}

// timeoutProperty names the timeout property of a method: "Start_timeout".
func timeoutProperty(m model.Method) string { return string(m) + "_timeout" }
