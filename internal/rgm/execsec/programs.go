package execsec

import (
	"slices"
	"strings"
)

// keywords stand before a command.
var keywords = map[string]bool{"!": true, "then": true, "do": true, "else": true, "elif": true, "if": true, "while": true, "until": true, "{": true, "&&": true}

// wrapper is a command that runs the command which follows it.
type wrapper struct {
	values      []string // options whose value is the next word
	commands    []string // options whose value is a command for the shell, and all there is to run
	positional  int      // words of its own before the command
	assignments bool     // NAME=VALUE may stand before the command
}

func list(s string) []string { return strings.Fields(s) }

var wrappers = map[string]wrapper{
	"exec": {values: list("-a")}, "nohup": {}, "setsid": {}, "command": {}, "builtin": {}, "busybox": {}, "time": {values: list("-f --format -o --output")},
	"env":     {values: list("-u --unset -C --chdir"), commands: list("-S --split-string"), assignments: true},
	"nice":    {values: list("-n --adjustment")},
	"ionice":  {values: list("-c --class -n --classdata")},
	"chrt":    {values: list("-T --sched-runtime -P --sched-period -D --sched-deadline"), positional: 1},
	"taskset": {positional: 1}, "numactl": {values: list("-i --interleave -p --preferred -m --membind -N --cpunodebind -C --physcpubind")},
	"timeout": {values: list("-s --signal -k --kill-after"), positional: 1},
	"stdbuf":  {values: list("-i --input -o --output -e --error")},
	"flock":   {values: list("-w --wait --timeout -E --conflict-exit-code"), commands: list("-c --command"), positional: 1},
	"xargs":   {values: list("-a --arg-file -d --delimiter -E -I -L -n --max-args -P --max-procs -s --max-chars")},
	"chroot":  {positional: 1}, "unshare": {}, "prlimit": {}, "catchsegv": {}, "unbuffer": {}, "linux64": {}, "linux32": {},
	"nsenter": {values: list("-t --target")},
	"strace":  {values: list("-e -o -s -u -E -p -P -a -b -I -O -S -X")}, "valgrind": {}, "cgexec": {values: list("-g")},
	"systemd-cat": {values: list("-t --identifier -p --priority --stderr-priority")},
}

// declarers are commands of the shell that set variables.
var declarers = list("export readonly declare typeset local")

// changer is a command that becomes another user before it runs what it is given.
type changer struct {
	user   []string // options whose value is the user
	values []string // other options whose value is the next word
	plain  bool     // the first plain word is the user
}

var changers = map[string]changer{
	"su":      {plain: true, values: list("-c --command --session-command -s --shell -g --group -G --supp-group -w --whitelist-environment")},
	"runuser": {plain: true, user: list("-u --user"), values: list("-c --command --session-command -s --shell -g --group -G --supp-group -w --whitelist-environment")},
	"sudo":    {user: list("-u --user"), values: list("-g --group -h --host -p --prompt -C -D --chdir -R --chroot -T -U -r -t")}, "doas": {user: list("-u"), values: list("-C")},
	"setpriv":           {user: list("--reuid"), values: list("--ruid --euid --rgid --egid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits --pdeathsig")},
	"start-stop-daemon": {user: list("-c --chuid"), values: list("-x --exec -a --startas -p --pidfile -n --name -u --user -g --group -r --chroot -d --chdir -N --nicelevel -I -R --retry -s --signal -k --umask -O --output -P -i")},
	"systemd-run":       {user: list("--uid"), values: list("-p --property -u --unit -E --setenv -M -H --slice --working-directory --gid --nice --description")},
	"gosu":              {plain: true}, "su-exec": {plain: true}, "setuidgid": {plain: true}, "s6-setuidgid": {plain: true}, "chpst": {user: list("-u"), values: list("-U -b -e -/ -C -n -l -L -m -d -o -p -f -c -r -t")},
}

// becomes says which users a changer is told to become.
func (k changer) becomes(words []shellWord) (users []string) {
	add := func(user string) {
		name, _, _ := strings.Cut(user, ":")
		users = append(users, name)
	}
	for i := 0; i < len(words); i++ {
		text := words[i].text
		option, value, joined := strings.Cut(text, "=")
		switch {
		case text == "--" && !k.plain:
			return users
		case slices.Contains(k.user, option) && joined:
			add(value)
		case slices.Contains(k.user, text):
			if i++; i < len(words) {
				add(words[i].text)
			}
		case slices.ContainsFunc(k.user, func(o string) bool { return len(o) == 2 && strings.HasPrefix(text, o) }):
			add(text[2:])
		case slices.Contains(k.values, text):
			i++
		case strings.HasPrefix(text, "-"):
		default:
			if k.plain && len(users) == 0 {
				add(text)
			}
			return users
		}
	}
	return users
}

// interpreter is a program that runs the file which its first plain argument names.
type interpreter struct {
	shell    bool     // -c makes the first plain argument a command
	inline   []string // options after which no file is read: their value is the code, or names it in another way
	values   []string // options whose value is the next word
	code     []string // options whose value is a file, or a list of files and folders, with code
	joined   []string // the same, joined to the option by a colon
	flags    string   // letters of options without a value, which others may follow in one word
	noScript bool     // the first plain argument is no file
}

// cluster takes a word with several options of one letter, as -ne, and gives what of it goes up to the first that is one of options. It is "" when there is none:
// behind a letter that is no flag stands that option's value, as in -MStorable.
func (k interpreter) cluster(word string, options []string) string {
	for i := 1; word[0] == '-' && i < len(word); i++ {
		if slices.Contains(options, "-"+word[i:i+1]) {
			return word[1 : i+1]
		}
		if strings.IndexByte(k.flags, word[i]) < 0 {
			break
		}
	}
	return ""
}

var interpreters = map[string]interpreter{
	"python": {inline: list("-c -m"), values: list("-W -X --check-hash-based-pycs"), flags: "bBdEiIOPqRsStuvx"},
	"perl":   {inline: list("-e -E"), code: list("-I"), flags: "0123456789acfglnpsStTuUwWX"},
	"ruby":   {inline: list("-e"), code: list("-I -r"), values: list("-C -E"), flags: "0123456789acdlnpsSUvwy"},
	"node":   {inline: list("-e --eval -p --print -pe"), code: list("-r --require --import")},
	"php":    {inline: list("-r"), code: list("-f"), values: list("-c -d")},
	"lua":    {inline: list("-e")}, "tclsh": {}, "wish": {}, "expect": {inline: list("-c"), code: list("-f")}, "mono": {}, "dotnet": {}, "gawk": {code: list("-f --file"), noScript: true},
	"awk": {code: list("-f --file"), noScript: true}, "mawk": {code: list("-f --file"), noScript: true}, "make": {code: list("-f -C --file --makefile --directory"), noScript: true},
	"java": {code: list("-jar -cp -classpath --class-path -p --module-path"), joined: list("-javaagent -agentpath"), noScript: true},
}

// attached is the path from the root that an option with code has in the same word, "" when there is none. Others may be names of libraries, as in -rset.
func (k interpreter) attached(word string) string {
	option, path, ok := strings.Cut(word, "=")
	if !ok || !slices.Contains(k.code, option) {
		letters := k.cluster(word, k.code)
		path = word[1+len(letters):]
		ok = letters != ""
	}
	if !ok || !strings.HasPrefix(path, "/") {
		return ""
	}
	return path
}

// library reports whether the value of an option is the name of a library, which the interpreter looks for in its own folders, and no path.
func library(option, value string) bool {
	long := option == "--require" || option == "--import"
	return (long || strings.HasSuffix(option, "r") && option != "-jar") && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, ".")
}

var shellNames = list(". source sh bash dash ash ksh mksh zsh rbash")

// interpreterOf knows interpreters by their name, with any version after it. The loader runs the file that it is given, too.
func interpreterOf(base string) (interpreter, bool) {
	name := strings.TrimRight(base, "0123456789.")
	switch {
	case name == "" && base == ".", slices.Contains(shellNames, base):
		return interpreter{shell: base != "." && base != "source", values: list("-o +o -O +O --rcfile --init-file")}, true
	case strings.HasPrefix(base, "ld-linux") || base == "ld.so":
		return interpreter{values: list("--library-path --argv0 --preload --audit")}, true
	}
	k, ok := interpreters[name]
	return k, ok
}

// codeVariables name files and folders with code, or in which programs are looked for.
var codeVariables = list("PATH LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT PYTHONPATH PYTHONHOME PERL5LIB RUBYLIB NODE_PATH CLASSPATH BASH_ENV ENV")

// optionVariables hold options for every run of an interpreter.
var optionVariables = map[string]string{
	"NODE_OPTIONS": "node", "PERL5OPT": "perl", "RUBYOPT": "ruby", "JAVA_TOOL_OPTIONS": "java", "JDK_JAVA_OPTIONS": "java", "_JAVA_OPTIONS": "java",
}
