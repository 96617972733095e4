package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// normalize checks values against a property's declaration and gives them in their one spelling: true and false, plain decimal numbers,
// enumeration words as declared. The error does not repeat the value of a secret.
func normalize(spec model.PropertySpec, values []string) ([]string, error) {
	if spec.Secret {
		return references(values)
	}
	if spec.Type == model.TypeStringArray {
		out := slices.Clone(values)
		if out == nil {
			out = []string{}
		}
		if err := within(spec, int64(len(out)), "elements"); err != nil {
			return nil, err
		}
		if len(spec.Enum) > 0 {
			for i := range out {
				word, err := enumWord(spec, out[i])
				if err != nil {
					return nil, err
				}
				out[i] = word
			}
		}
		return out, nil
	}
	if len(values) != 1 {
		return nil, fmt.Errorf("takes one value, not %d", len(values))
	}
	v := values[0]
	switch spec.Type {
	case model.TypeInt:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number", shown(spec, v))
		}
		if err := within(spec, n, ""); err != nil {
			return nil, err
		}
		return []string{strconv.FormatInt(n, 10)}, nil
	case model.TypeBool:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "yes", "on", "1":
			return []string{"true"}, nil
		case "false", "no", "off", "0":
			return []string{"false"}, nil
		}
		return nil, fmt.Errorf("%s is neither true nor false", shown(spec, v))
	case model.TypeEnum:
		word, err := enumWord(spec, v)
		return []string{word}, err
	default:
		if err := within(spec, int64(len(v)), "characters"); err != nil {
			return nil, err
		}
		return []string{v}, nil
	}
}

// references checks the values of a secret property: what stands in the configuration names a private string and is no secret itself.
func references(values []string) ([]string, error) {
	for _, v := range values {
		name, ok := strings.CutPrefix(v, model.SecretPrefix)
		if v != "" && (!ok || cluster.CheckName("secret", name) != nil) {
			return nil, fmt.Errorf("is secret: keep its value as a private string with `redoubt secret create`, and set the property to secret:NAME")
		}
	}
	return slices.Clone(values), nil
}

func enumWord(spec model.PropertySpec, v string) (string, error) {
	for _, w := range spec.Enum {
		if strings.EqualFold(w, strings.TrimSpace(v)) {
			return w, nil
		}
	}
	return "", fmt.Errorf("%s is none of %s", shown(spec, v), strings.Join(spec.Enum, ", "))
}

// within compares a number, a length or a count with the bounds.
func within(spec model.PropertySpec, n int64, of string) error {
	what := strconv.FormatInt(n, 10)
	if of != "" {
		what += " " + of
	}
	switch {
	case spec.Min != nil && n < *spec.Min:
		return fmt.Errorf("%s is less than the minimum of %d", what, *spec.Min)
	case spec.Max != nil && n > *spec.Max:
		return fmt.Errorf("%s is more than the maximum of %d", what, *spec.Max)
	}
	return nil
}

func shown(spec model.PropertySpec, v string) string {
	if spec.Secret {
		return "the value"
	}
	return strconv.Quote(v)
}

// apply gives what a setting makes of the present values.
func apply(spec model.PropertySpec, present []string, s Setting) ([]string, error) {
	if s.Op != OpSet && spec.Type != model.TypeStringArray {
		return nil, fmt.Errorf("is no list: += and -= do not work on it; write %s=VALUE", spec.Name)
	}
	var values []string
	switch {
	case spec.Type != model.TypeStringArray && s.Values == nil:
		values = []string{s.Text}
	case s.Op == OpAdd:
		values = slices.Clone(present)
		for _, v := range s.list() {
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	case s.Op == OpRemove:
		values = slices.Clone(present)
		for _, v := range s.list() {
			i := slices.Index(values, v)
			if i < 0 {
				return nil, fmt.Errorf("does not have the element %s", shown(spec, v))
			}
			values = slices.Delete(values, i, i+1)
		}
	default:
		values = s.list()
	}
	return normalize(spec, values)
}
