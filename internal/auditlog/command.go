package auditlog

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Masked stands where a secret stood.
const Masked = "******"

// Command is an operation as the log tells of it.
type Command struct {
	Line    string   // as it can be pasted into a shell
	Objects []string // the operands
	secrets []string
}

// sensitive are names of properties whose values are taken for secrets, whatever was declared: a value in the wrong place is written down for ever.
var sensitive = regexp.MustCompile(`(?i)(passw|passphrase|secret|token|credential|api_?key|private_?key|community)`)

// NewCommand builds the command of an operation from its input, an input type of the API. A field is secret when its declaration says so by the tag
// secret:"true"; the value of a property is when its name is that of a secret one: declared tells which are.
func NewCommand(noun, verb string, in any, declared func(property string) bool) Command {
	b := builder{declared: declared}
	b.words = []string{"redoubt", noun, verb}
	if verb == "call" { // the commands of agents stand alone
		b.words = []string{noun}
	}
	v := reflect.ValueOf(in)
	if v.Kind() == reflect.Struct {
		b.fields(v)
	}
	c := Command{Objects: b.objects, secrets: b.secrets}
	if b.all {
		b.objects = []string{"+"}
	}
	for _, o := range b.objects {
		b.words = append(b.words, quoted(cut(o, maxText)))
	}
	c.Line = join(b.words)
	return c
}

// join sets the words in a line; one that would become too long ends with a word that says so.
func join(words []string) string {
	var line strings.Builder
	for i, w := range words {
		if line.Len()+len(w)+1 > MaxCommand {
			fmt.Fprintf(&line, " '… (%d more)'", len(words)-i)
			break
		}
		if i > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(w)
	}
	return line.String()
}

type builder struct {
	words    []string
	objects  []string
	secrets  []string
	all      bool
	declared func(string) bool
}

func (b *builder) fields(v reflect.Value) {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		if f.Anonymous && value.Kind() == reflect.Struct {
			b.fields(value)
			continue
		}
		for value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		if !f.IsExported() || value.IsZero() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		secret := f.Tag.Get("secret") == "true"
		switch {
		case secret:
			b.hide(value)
			b.flag(name, Masked)
		case name == "names" && value.Kind() == reflect.Slice:
			b.objects = append(b.objects, value.Interface().([]string)...)
		case name == "all" && value.Kind() == reflect.Bool:
			b.all = true
		default:
			b.field(name, value)
		}
	}
}

// hide remembers the parts of a secret, so that they can be found in other texts.
func (b *builder) hide(v reflect.Value) {
	switch {
	case v.Kind() == reflect.String:
		b.secrets = append(b.secrets, v.String())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		b.secrets = append(b.secrets, string(v.Bytes()))
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			b.hide(v.Index(i))
		}
	case v.Kind() == reflect.Map:
		for _, k := range v.MapKeys() {
			b.hide(v.MapIndex(k))
		}
	}
}

func (b *builder) field(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		b.words = append(b.words, "--"+flagName(name))
	case reflect.String:
		b.flag(name, b.masked(name, v.String()))
	case reflect.Int, reflect.Int64, reflect.Int32:
		b.flag(name, strconv.FormatInt(v.Int(), 10))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b.flag(name, fmt.Sprintf("(%d bytes)", v.Len()))
			return
		}
		if v.Type().Elem().Kind() == reflect.String {
			for i := range v.Len() {
				b.flag(name, b.masked(name, v.Index(i).String()))
			}
			return
		}
		b.flag(name, fmt.Sprintf("(%d)", v.Len()))
	case reflect.Struct:
		b.flag(name, contents(v))
	case reflect.Map:
		b.flag(name, fmt.Sprintf("(%d)", v.Len()))
	default:
		b.flag(name, "(…)")
	}
}

// contents says how much of what a document holds.
func contents(v reflect.Value) string {
	var parts []string
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		if !f.IsExported() || value.IsZero() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if value.Kind() == reflect.Slice || value.Kind() == reflect.Map {
			name = strconv.Itoa(value.Len()) + " " + name
		}
		parts = append(parts, name)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// masked hides the value of NAME=VALUE where the name, or that of the field itself, is one of a secret. A reference to a private string or to a file is none.
func (b *builder) masked(field, s string) string {
	name, value, assigned := strings.Cut(s, "=")
	if !assigned {
		name, value = field, s
	}
	bare, _, _ := strings.Cut(strings.TrimRight(name, "+-"), "{")
	if value == "" || strings.HasPrefix(value, "secret:") || strings.HasSuffix(strings.ToLower(bare), "_file") {
		return s
	}
	if !sensitive.MatchString(bare) && (b.declared == nil || !b.declared(bare)) {
		return s
	}
	b.secrets = append(b.secrets, value)
	if assigned {
		return name + "=" + Masked
	}
	return Masked
}

func (b *builder) flag(name, value string) {
	value = cut(value, maxText)
	flag := "--" + flagName(name)
	if strings.HasPrefix(value, "-") { // or it would be read as another flag
		b.words = append(b.words, quoted(flag+"="+value))
		return
	}
	b.words = append(b.words, flag, quoted(value))
}

// flagName turns the name of a field into that of its flag: noWait becomes no-wait.
func flagName(field string) string {
	var out strings.Builder
	for _, r := range field {
		if unicode.IsUpper(r) {
			out.WriteByte('-')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// Redact takes the secrets of the command out of another text, such as an error that repeats its input.
func (c Command) Redact(s string) string {
	for _, secret := range c.secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, Masked)
		}
	}
	return s
}

// Comment makes a command of what was no command: it does nothing when it is pasted.
func (c Command) Comment(text string) Command {
	c.Line, c.Objects = "# "+cut(oneLine(text), maxText), nil
	return c
}
