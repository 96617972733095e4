package ocf

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/outside"
)

// What is accepted of an agent's meta-data. The largest that Debian ships has 33 KiB and 52 parameters.
const (
	maxMetadata   = 1 << 20
	maxParameters = 1000
	maxActions    = 200
	maxOptions    = 200
	maxText       = 500 // characters of a description that are kept
)

// The properties of every OCF type besides the parameters of its agent.
const (
	propCheckLevel   = "OCF_CHECK_LEVEL"
	propProbeTimeout = "Probe_timeout"
	propInterval     = "Thorough_probe_interval" // standard; the type sets its default
)

var driverProperties = []string{propCheckLevel, propProbeTimeout, propInterval, propPromote, propNotify}

// instanceMark stands for the name of the resource while an agent describes itself: a default that has it in it is different for each resource.
const instanceMark = "RESOURCE_ID"

type metaText struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

type metaContent struct {
	Type    string  `xml:"type,attr"`
	Default *string `xml:"default,attr"`
	Options []struct {
		Value string `xml:"value,attr"`
	} `xml:"option"`
}

type metaParameter struct {
	line       int
	Name       string      `xml:"name,attr"`
	Unique     string      `xml:"unique,attr"`
	Group      string      `xml:"unique-group,attr"`
	Required   string      `xml:"required,attr"`
	Reloadable string      `xml:"reloadable,attr"`
	Short      []metaText  `xml:"shortdesc"`
	Content    metaContent `xml:"content"`
}

// UnmarshalXML notes where the parameter stands.
func (p *metaParameter) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	type plain metaParameter
	line, _ := d.InputPos()
	if err := d.DecodeElement((*plain)(p), &start); err != nil {
		return err
	}
	p.line = line
	return nil
}

type metaAction struct {
	Name     string `xml:"name,attr"`
	Timeout  string `xml:"timeout,attr"`
	Interval string `xml:"interval,attr"`
	Depth    string `xml:"depth,attr"`
	Role     string `xml:"role,attr"`
}

type metadata struct {
	XMLName    xml.Name        `xml:"resource-agent"`
	Version    string          `xml:"version,attr"`
	Standard   string          `xml:"version"`
	Short      []metaText      `xml:"shortdesc"`
	Parameters []metaParameter `xml:"parameters>parameter"`
	Actions    []metaAction    `xml:"actions>action"`
}

// parse turns the output of an agent's meta-data action into a type. It never panics, whatever it reads.
func parse(name cluster.TypeName, text []byte) (model.Type, error) {
	m, err := decode(text)
	if err != nil {
		return model.Type{}, fault.Errorf(fault.Invalid, "resource type %s: the agent's meta-data is broken: %w; that is a fault of the agent", name, err)
	}
	t := model.Type{
		Name: name, Driver: Name, Version: firstOf(m.Version, m.Standard, "1.0"), Vendor: provider(name), Description: brief(m.Short),
		NetworkAddress: slices.Contains(addressAgents, agentName(name)),
	}
	promotable := m.has("promote")
	if promotable {
		t.Caveat = "the agent can be promoted, but here its resources run as single instances on one node at a time: there are no replicas beside the one that runs, and it is promoted only with Promote=true"
	}
	if where := outside.Agent(name); where != "" {
		t.Caveat = strings.TrimPrefix(t.Caveat+"; "+outside.Caveat(where), "; ")
	}
	t.Failover = promotable || t.NetworkAddress || slices.Contains(storageAgents, agentName(name))
	if t.Methods, err = methods(m.Actions); err != nil {
		return model.Type{}, fault.Errorf(fault.Invalid, "resource type %s: the agent's meta-data is broken: %w; that is a fault of the agent", name, err)
	}
	if t.Properties, err = properties(m); err != nil {
		return model.Type{}, fault.Errorf(fault.Invalid, "resource type %s: the agent's meta-data is broken: %w; that is a fault of the agent", name, err)
	}
	return t, nil
}

// Agents whose resources others in the group need as their address, and agents whose resource may only be on one node at a time.
var (
	addressAgents = []string{"IPaddr", "IPaddr2", "IPsrcaddr", "IPv6addr"}
	storageAgents = []string{"Filesystem", "LVM", "LVM-activate", "Raid1", "ZFS", "crypt", "mdraid"}
)

func decode(text []byte) (metadata, error) {
	var m metadata
	if len(bytes.TrimSpace(text)) == 0 {
		return m, errors.New("it is empty")
	}
	if len(text) > maxMetadata {
		return m, fmt.Errorf("it is longer than %d bytes", maxMetadata)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = charset
	if err := d.Decode(&m); err != nil {
		line, _ := d.InputPos()
		if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
			return m, fmt.Errorf("line %d: %s", syntax.Line, syntax.Msg)
		}
		if errors.Is(err, io.EOF) {
			return m, fmt.Errorf("line %d: there is no resource-agent element", line)
		}
		return m, fmt.Errorf("line %d: %w", line, err)
	}
	if len(m.Parameters) > maxParameters || len(m.Actions) > maxActions {
		return m, fmt.Errorf("it has %d parameters and %d actions: at most %d and %d are accepted", len(m.Parameters), len(m.Actions), maxParameters, maxActions)
	}
	return m, nil
}

// charset reads the encodings besides UTF-8 that agents declare. Latin-1 is converted, ASCII is UTF-8.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1":
		b, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		out := make([]rune, len(b))
		for i, c := range b {
			out[i] = rune(c)
		}
		return strings.NewReader(string(out)), nil
	}
	return nil, fmt.Errorf("encoding %q is not known", label)
}

// methods maps actions to callback methods. monitor has none: the driver's watch calls it.
func methods(actions []metaAction) ([]model.MethodSpec, error) {
	byName := map[string]int{}
	for _, a := range actions {
		seconds, err := seconds(a.Timeout)
		if err != nil {
			return nil, fmt.Errorf("action %.40q: timeout: %w", a.Name, err)
		}
		byName[a.Name] = max(byName[a.Name], seconds)
	}
	for _, need := range []string{"start", "stop", "monitor"} {
		if _, ok := byName[need]; !ok {
			return nil, fmt.Errorf("there is no action %s", need)
		}
	}
	var out []model.MethodSpec
	for _, m := range []struct {
		method  model.Method
		actions []string
	}{
		{model.MethodValidate, []string{"validate-all"}},
		{model.MethodStart, []string{"start"}},
		{model.MethodUpdate, []string{"reload-agent", "reload"}},
		{model.MethodStop, []string{"stop"}},
	} {
		for _, a := range m.actions {
			if timeout, ok := byName[a]; ok {
				switch m.method {
				case model.MethodValidate:
					timeout = max(timeout, leastValidateTimeout)
				case model.MethodStart:
					timeout = max(timeout, byName["promote"]) // it counts for each of the two
				case model.MethodStop:
					timeout = max(timeout, byName["demote"])
				}
				out = append(out, model.MethodSpec{Method: m.method, Program: a, Timeout: timeout})
				break
			}
		}
	}
	return out, nil
}

// properties maps parameters to extension properties and adds those of the driver.
func properties(m metadata) ([]model.PropertySpec, error) {
	var out []model.PropertySpec
	seen := map[string]bool{}
	for _, own := range driverProperties {
		seen[strings.ToLower(own)] = true
	}
	for _, p := range m.Parameters {
		if !parameterName.MatchString(p.Name) {
			return nil, fmt.Errorf("line %d: parameter name %.40q is not allowed", p.line, p.Name)
		}
		if key := strings.ToLower(p.Name); seen[key] {
			continue // of two that differ in case only, the first counts; the driver's own go before all
		} else {
			seen[key] = true
		}
		s, err := property(p)
		if err != nil {
			return nil, fmt.Errorf("line %d: parameter %s: %w", p.line, p.Name, err)
		}
		// Without a reload that is meant for it, a running resource does not learn of a change.
		if m.has("reload-agent") && isTrue(p.Reloadable) || !m.has("reload-agent") && m.has("reload") && !s.Unique {
			s.Tunable = model.TunableAnytime
		}
		out = append(out, s)
	}
	return append(out, m.own()...), nil
}

// has reports whether the agent has an action.
func (m metadata) has(action string) bool {
	return slices.ContainsFunc(m.Actions, func(a metaAction) bool { return a.Name == action })
}

// own are the driver's own properties of the agent's type.
func (m metadata) own() []model.PropertySpec {
	probe, interval := probing(m.Actions)
	one, zero, most := int64(1), int64(0), int64(math.MaxInt32)
	out := []model.PropertySpec{
		{
			Name: propCheckLevel, Type: model.TypeInt, Default: []string{"0"}, Min: &zero, Max: &most, Tunable: model.TunableAnytime,
			Description: "how deep the thorough probe looks (0: is it there; the agent's documentation has the others)",
		},
		{
			Name: propProbeTimeout, Type: model.TypeInt, Default: []string{strconv.Itoa(probe)}, Min: &one, Max: &most, Tunable: model.TunableAnytime,
			Description: "seconds after which a probe is killed and counts as failed",
		},
		{
			Name: propInterval, Type: model.TypeInt, Default: []string{strconv.Itoa(interval)}, Min: &zero, Max: &most, Tunable: model.TunableAnytime,
			Description: "seconds between two thorough probes",
		},
	}
	if !m.has("promote") {
		return out
	}
	return append(out,
		model.PropertySpec{
			Name: propPromote, Type: model.TypeBool, Default: []string{"false"}, Tunable: model.TunableWhenDisabled,
			Description: "promote the single instance after its start and demote it before its stop",
		},
		model.PropertySpec{
			Name: propNotify, Type: model.TypeBool, Default: []string{strconv.FormatBool(m.has("notify"))}, Tunable: model.TunableWhenDisabled,
			Description: "with Promote: call the agent's notify before and after each of these steps",
		})
}

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,127}$`)

// secretName finds the parameters whose values are passwords. OCF has no mark for them.
var secretName = regexp.MustCompile(`(?i)passw|secret`)

func property(p metaParameter) (model.PropertySpec, error) {
	s := model.PropertySpec{
		Name: p.Name, Type: model.TypeString, Description: brief(p.Short), Required: isTrue(p.Required), Tunable: model.TunableWhenDisabled,
		Unique: isTrue(p.Unique) || p.Group != "", Secret: secretName.MatchString(p.Name),
	}
	def := p.Content.Default
	switch strings.ToLower(p.Content.Type) {
	case "integer":
		s.Type = model.TypeInt
	case "boolean":
		s.Type = model.TypeBool
	case "select":
		if len(p.Content.Options) > maxOptions {
			return s, fmt.Errorf("it has more than %d options", maxOptions)
		}
		for _, o := range p.Content.Options {
			s.Enum = append(s.Enum, o.Value)
		}
		if len(s.Enum) > 0 {
			s.Type = model.TypeEnum
		}
	}
	switch {
	case def == nil, *def == "":
		return s, nil // agents do not tell an empty default from none
	case strings.Contains(*def, instanceMark):
		s.Description = strings.TrimSpace(s.Description + " (default: " + *def + ")")
		return s, nil
	case s.Required:
		return s, nil // a required parameter has to be given; the default is an example
	}
	// Agents declare types that their own defaults break (an integer ".%F", a boolean "0"): the default is what counts.
	if !fits(s, *def) {
		s.Type, s.Enum = model.TypeString, nil
	}
	s.Default = []string{*def}
	return s, nil
}

func fits(s model.PropertySpec, v string) bool {
	switch s.Type {
	case model.TypeInt:
		_, err := strconv.ParseInt(v, 10, 64)
		return err == nil
	case model.TypeBool:
		return strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	case model.TypeEnum:
		return slices.Contains(s.Enum, v)
	}
	return true
}

// The probe of an agent that recommends nothing.
const (
	defaultProbeTimeout  = 20
	leastValidateTimeout = 20 // agents recommend as little as 5 s, which a busy node misses, and then a resource could not be created
	defaultProbeInterval = 10
)

// probing returns what the agent recommends for its monitor: the longest timeout and the interval of the shallowest depth.
func probing(actions []metaAction) (timeout, interval int) {
	depth := math.MaxInt
	for _, a := range actions {
		if a.Name != "monitor" {
			continue
		}
		// A malformed timeout was found before; a malformed interval or depth is no recommendation.
		if s, err := seconds(a.Timeout); err == nil {
			timeout = max(timeout, s)
		}
		level, err := strconv.Atoi(a.Depth)
		if err != nil {
			level = 0
		}
		if s, err := seconds(a.Interval); err == nil && s > 0 && a.Role == "" && level < depth {
			depth, interval = level, s
		}
	}
	if timeout == 0 {
		timeout = defaultProbeTimeout
	}
	if interval == 0 {
		interval = defaultProbeInterval
	}
	return timeout, interval
}

// seconds reads a time of OCF: 20, 20s, 500ms, 2m, 1h. A part of a second counts as a whole one; "" is 0.
func seconds(s string) (int, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, nil
	}
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a time", s)
	}
	switch strings.ToLower(strings.TrimSpace(s[len(digits):])) {
	case "", "s", "sec":
	case "ms", "msec":
		n = (n + 999) / 1000
	case "us", "usec":
		n = (n + 999_999) / 1_000_000
	case "m", "min":
		n *= 60
	case "h", "hr":
		n *= 3600
	default:
		return 0, fmt.Errorf("%.40q is not a time", s)
	}
	if n > math.MaxInt32 {
		return 0, fmt.Errorf("%.40q is too long a time", s)
	}
	return int(n), nil
}

// isTrue reads a boolean of OCF.
func isTrue(s string) bool {
	return slices.Contains([]string{"1", "true", "yes", "on", "y"}, strings.ToLower(strings.TrimSpace(s)))
}

// brief gives a description in English if there is one, on one line.
func brief(texts []metaText) string {
	text := ""
	for _, t := range texts {
		if text == "" || strings.HasPrefix(t.Lang, "en") {
			text = t.Text
		}
		if strings.HasPrefix(t.Lang, "en") {
			break
		}
	}
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "\uFFFD")
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText]) + "…"
	}
	return text
}

func firstOf(s ...string) string {
	for _, x := range s {
		if x = strings.TrimSpace(x); x != "" && len(x) <= cluster.MaxNameLength {
			return x
		}
	}
	return ""
}
