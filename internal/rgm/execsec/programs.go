package execsec

import (
	"slices"
	"strings"
)

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
	"prlimit": {}, "catchsegv": {}, "unbuffer": {}, "linux64": {}, "linux32": {}, "choom": {values: list("-n --adjust")},
	"tini": {values: list("-p -e")}, "dumb-init": {values: list("-r --rewrite")}, "sg": {positional: 1, commands: list("-c")}, "setlock": {positional: 1}, "envdir": {positional: 1},
	"softlimit": {values: list("-a -c -d -f -l -m -o -p -r -s -t")}, "dbus-run-session": {values: list("--config-file --dbus-daemon")}, "aa-exec": {values: list("-p --profile -n --namespace")},
	"strace": {values: list("-e -o -s -u -E -p -P -a -b -I -O -S -X")}, "valgrind": {}, "cgexec": {values: list("-g")},
	"systemd-cat": {values: list("-t --identifier -p --priority --stderr-priority")},
}

// declarers are commands of the shell that set variables.
var declarers = list("export readonly declare typeset local")

// elsewhere are programs of which it can not be seen what they run, each with the reason.
var elsewhere = map[string]string{
	"chroot": otherRoot, "schroot": otherRoot, "proot": otherRoot, "bwrap": otherRoot, "firejail": otherRoot, "systemd-nspawn": otherRoot, "pivot_root": otherRoot, "switch_root": otherRoot,
	"parallel": otherInput, "sem": otherInput, "at": otherInput, "batch": otherInput, "crontab": otherInput,
}

const (
	otherRoot  = "has another root, where files of the same name are others"
	otherInput = "is given commands that are not seen"
)

// changer is a command that becomes another user, or enters other namespaces, before it runs what it is given.
type changer struct {
	user        []string // options whose value is the user
	values      []string // other options whose value is the next word
	commands    []string // options whose value is a command for the shell
	programs    []string // options whose value is the program, or the shell
	plain       bool     // the first plain word is the user
	shell       bool     // what follows is for a shell, unless an option named the user
	root        []string // options that mean another root, or mounts of another process
	rootLetters string   // the same, among letters of one word
}

var loginShell = changer{
	plain: true, shell: true, commands: list("-c --command --session-command"), programs: list("-s --shell"), values: list("-g --group -G --supp-group -w --whitelist-environment"),
}

func runuser() changer {
	k := loginShell
	k.user = list("-u --user")
	return k
}

var changers = map[string]changer{
	"su": loginShell, "runuser": runuser(), "doas": {user: list("-u"), values: list("-C -a")}, "pkexec": {user: list("--user")},
	"sudo":    {user: list("-u --user"), values: list("-g --group -h --host -p --prompt -C --close-from -D --chdir -T --command-timeout -U --other-user -r --role -t --type"), root: list("-R --chroot")},
	"setpriv": {user: list("--reuid"), values: list("--ruid --euid --rgid --egid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits --pdeathsig")},
	"start-stop-daemon": {
		user: list("-c --chuid"), programs: list("-x --exec -a --startas"), root: list("-r --chroot"),
		values: list("-p --pidfile -n --name -u --user -g --group -d --chdir -N --nicelevel -I -R --retry -s --signal -k --umask -O --output -P -i"),
	},
	"systemd-run": {
		user: list("--uid"), values: list("-p --property -u --unit -E --setenv -H --slice --working-directory --gid --nice --description --on-active --on-calendar --timer-property"),
		root: list("-M --machine"),
	},
	"gosu": {plain: true}, "su-exec": {plain: true}, "setuidgid": {plain: true}, "s6-setuidgid": {plain: true},
	"chpst": {user: list("-u"), values: list("-U -b -e -C -n -l -L -m -d -o -p -f -c -r -t"), root: list("-/")},
	"capsh": {user: list("--user --uid"), shell: true, root: list("--chroot")},
	"nsenter": {
		user: list("-S --setuid"), values: list("-t --target -G --setgid"), root: list("--mount --root --wd --wdns --all"), rootLetters: "mrwWa",
	},
	"unshare": {
		user: list("-S --setuid"), values: list("-G --setgid -w --wd --map-user --map-group --map-users --map-groups --propagation --setgroups"), root: list("-R --root"),
	},
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
	"enable": {code: list("-f"), noScript: true},
	"java":   {code: list("-jar -cp -classpath --class-path -p --module-path"), joined: list("-javaagent -agentpath"), noScript: true},
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

// folders reports whether an empty place in such a variable means the present folder.
func folders(name string) bool { return slices.Contains(list("PATH LD_LIBRARY_PATH CLASSPATH"), name) }

// optionVariables hold options for every run of an interpreter.
var optionVariables = map[string]string{
	"NODE_OPTIONS": "node", "PERL5OPT": "perl", "RUBYOPT": "ruby", "JAVA_TOOL_OPTIONS": "java", "JDK_JAVA_OPTIONS": "java", "_JAVA_OPTIONS": "java",
}
