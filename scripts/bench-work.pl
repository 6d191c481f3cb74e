#!/usr/bin/perl
# The work that scripts/bench.sh measures, without the start of a program in the figures. Prints the seconds that the
# work took by the wall clock. Needs no more than Debian's perl-base.
#
# usage: bench-work.pl write FILE MIB                 MiB in pieces of 1 MiB, fsync at the end
#        bench-work.pl read FILE...                   whole files in pieces of 1 MiB
#        bench-work.pl create DIR FILES BYTES FOLDERS
#        bench-work.pl touch DIR STEP                 4 KiB at every STEP bytes of each file: warms what leads there
#        bench-work.pl walk DIR                       every name, with lstat
#        bench-work.pl delete DIR
#        bench-work.pl random DIR READS SEED          4 KiB at random places of the files, one at a time, none twice
#        bench-work.pl change DIR FILES SEED          writes 4 KiB over the start of some of the files of create
#        bench-work.pl append DIR PROCESSES TIMES     each process: 4 KiB behind its own file, fsync, again
#        bench-work.pl save DIR TIMES                 create, 4 KiB, fsync, rename over the one before
#        bench-work.pl mixed DIR MIB SECONDS          MIB a second in files of 4 KiB to 4 MiB, some overwritten, some
#                                                     appended to, some deleted
#        bench-work.pl lag DIR COPY TIMES GAP OUT     a small change, fsync; seconds until it can be read in the mirror's
#                                                     COPY, one a line into OUT; GAP seconds between
#        bench-work.pl first COMMAND...               until the command's error output tells of the first record sent
use strict;
use warnings;
use Fcntl qw(:DEFAULT :mode);
use IO::Handle;
use POSIX ();
use Time::HiRes qw(time);

my ($verb, $place, @more) = @ARGV;
my $start;

# What no file system can squeeze or share: noise, made anew for each run of this program.
sub noise {
    my ($bytes) = @_;
    open(my $source, '<:raw', '/dev/urandom') or die "urandom: $!";
    my $data = '';
    while (length($data) < $bytes) {
        sysread($source, $data, $bytes - length($data), length($data)) or die "urandom: $!";
    }
    return $data;
}

sub put {
    my ($file, $data) = @_;
    my $done = 0;
    while ($done < length($data)) {
        my $now = syswrite($file, $data, length($data) - $done, $done);
        die "write: $!" unless defined $now;
        $done += $now;
    }
}

sub do_write {
    my ($mib) = @more;
    my $data = noise(1 << 20);
    $start = time;
    sysopen(my $file, $place, O_WRONLY | O_CREAT | O_EXCL) or die "$place: $!";
    for my $i (1 .. $mib) {
        substr($data, 0, 8) = pack('Q<', $i);
        put($file, $data);
    }
    $file->sync or die "fsync $place: $!";
    close($file) or die "close $place: $!";
}

sub do_read {
    $start = time;
    my $data;
    for my $name ($place, @more) {
        sysopen(my $file, $name, O_RDONLY) or die "$name: $!";
        while (1) {
            my $now = sysread($file, $data, 1 << 20);
            die "read $name: $!" unless defined $now;
            last if $now == 0;
        }
        close($file);
    }
}

sub do_create {
    my ($files, $bytes, $folders) = @more;
    my $data = $bytes > 0 ? noise($bytes) : '';
    $start = time;
    for my $folder (0 .. $folders - 1) { mkdir("$place/d$folder") or die "mkdir $place/d$folder: $!"; }
    for my $i (0 .. $files - 1) {
        my $name = "$place/d" . ($i % $folders) . "/f$i";
        sysopen(my $file, $name, O_WRONLY | O_CREAT | O_EXCL, 0644) or die "$name: $!";
        if ($bytes >= 8) { substr($data, 0, 8) = pack('Q<', $i); }
        put($file, $data) if $bytes > 0;
        close($file) or die "close $name: $!";
    }
}

sub each_name {
    my ($folder, $see) = @_;
    opendir(my $handle, $folder) or die "$folder: $!";
    my @folders;
    while (defined(my $name = readdir($handle))) {
        next if $name eq '.' or $name eq '..';
        my @facts = lstat("$folder/$name") or die "$folder/$name: $!";
        if (S_ISDIR($facts[2])) { push @folders, "$folder/$name"; }
        else { $see->("$folder/$name", $facts[7]); }
    }
    closedir($handle);
    for my $inner (@folders) {
        each_name($inner, $see);
        $see->($inner, -1);
    }
}

sub do_walk {
    my $count = 0;
    $start = time;
    each_name($place, sub { $count++ });
    printf STDERR "%d names\n", $count if $ENV{BENCH_VERBOSE};
}

sub do_delete {
    $start = time;
    each_name($place, sub {
        my ($name, $size) = @_;
        if ($size < 0) { rmdir($name) or die "rmdir $name: $!"; }
        else { unlink($name) or die "unlink $name: $!"; }
    });
}

sub files_under {
    my @files;
    each_name($place, sub { push @files, [@_] if $_[1] >= 4096; });
    return @files;
}

sub do_touch {
    my ($step) = @more;
    my $data;
    my @files = files_under();
    $start = time;
    for my $entry (@files) {
        sysopen(my $file, $entry->[0], O_RDONLY) or die "$entry->[0]: $!";
        for (my $at = 0; $at < $entry->[1]; $at += $step) {
            sysseek($file, $at, 0);
            sysread($file, $data, 4096) // die "read $entry->[0]: $!";
        }
        close($file);
    }
}

# Odd pages only: those at even ones are what touch has read.
sub do_random {
    my ($reads, $seed) = @more;
    my (%seen, $data, %open);
    srand($seed);
    my @files = files_under();
    my @plan;
    while (@plan < $reads) {
        my $which = int(rand(@files));
        my $page = int(rand($files[$which][1] / 4096 / 2)) * 2 + 1;
        next if $seen{"$which.$page"}++;
        push @plan, [$which, $page];
    }
    for my $which (map { $_->[0] } @plan) {
        next if $open{$which};
        sysopen($open{$which}, $files[$which][0], O_RDONLY) or die "$files[$which][0]: $!";
    }
    $start = time;
    for my $read (@plan) {
        my $file = $open{$read->[0]};
        sysseek($file, $read->[1] * 4096, 0);
        my $now = sysread($file, $data, 4096);
        die "read $files[$read->[0]][0]: " . ($! // 'short') unless defined $now and $now == 4096;
    }
}

sub do_change {
    my ($files, $seed) = @more;
    srand($seed);
    my $data = noise(4096);
    my @files = files_under();
    $start = time;
    for (1 .. $files) {
        my $name = $files[int(rand(@files))][0];
        sysopen(my $file, $name, O_WRONLY) or die "$name: $!";
        put($file, $data);
        close($file) or die "close $name: $!";
    }
}

# The files are made and durable before the clock starts; so are the processes.
sub do_append {
    my ($processes, $times) = @more;
    my $data = noise(4096);
    my @files;
    for my $i (1 .. $processes) {
        sysopen(my $file, "$place/a$i", O_WRONLY | O_CREAT | O_APPEND) or die "$place/a$i: $!";
        $file->sync or die "fsync: $!";
        push @files, $file;
    }
    pipe(my $wait, my $go) or die "pipe: $!";
    my @children;
    for my $file (@files) {
        my $child = fork // die "fork: $!";
        if ($child) { push @children, $child; next; }
        close($go);
        sysread($wait, my $nothing, 1);
        for (1 .. $times) {
            put($file, $data);
            $file->sync or die "fsync: $!";
        }
        POSIX::_exit(0);
    }
    close($wait);
    $start = time;
    close($go);
    for my $child (@children) {
        waitpid($child, 0);
        die "a process failed" if $?;
    }
}

sub do_save {
    my ($times) = @more;
    my $data = noise(4096);
    $start = time;
    for my $i (1 .. $times) {
        sysopen(my $file, "$place/doc.new", O_WRONLY | O_CREAT | O_EXCL) or die "$place/doc.new: $!";
        put($file, $data);
        $file->sync or die "fsync: $!";
        close($file) or die "close: $!";
        rename("$place/doc.new", "$place/doc") or die "rename: $!";
    }
}

sub do_mixed {
    my ($mib, $seconds) = @more;
    my $data = noise(4 << 20);
    my @sizes = (4 << 10, 4 << 10, 16 << 10, 64 << 10, 300 << 10, 1 << 20, 4 << 20);
    my ($sent, $made) = (0, 0);
    srand(7);
    mkdir($place);
    $start = time;
    while ((my $passed = time - $start) < $seconds) {
        my $ahead = $sent / ($mib << 20) - $passed;
        if ($ahead > 0) { Time::HiRes::sleep($ahead); next; }
        my $bytes = $sizes[int(rand(@sizes))];
        my $kind = rand(10);
        my $name = "$place/m" . ($kind < 6 || $made < 20 ? $made++ % 400 : int(rand($made < 400 ? $made : 400)));
        if ($kind >= 9) { unlink($name); next; }
        sysopen(my $file, $name, O_WRONLY | O_CREAT | ($kind >= 6 ? O_APPEND : 0), 0644) or die "$name: $!";
        put($file, substr($data, int(rand(length($data) - $bytes + 1)), $bytes));
        close($file) or die "close $name: $!";
        $sent += $bytes;
    }
}

sub do_lag {
    my ($copy, $times, $gap, $out) = @more;
    open(my $figures, '>', $out) or die "$out: $!";
    $start = time;
    for my $i (1 .. $times) {
        # Not in step with the flush groups.
        Time::HiRes::sleep($gap * (0.5 + rand(1)));
        # A new file each second time, whose fsync closes a flush group; else a line behind an old one, which need not.
        my $name = sprintf('lag-%d-%d', $$, $i % 2 ? $i : 0);
        my $line = sprintf("change %8d\n", $i);
        sysopen(my $file, "$place/$name", O_WRONLY | O_CREAT | O_APPEND, 0644) or die "$place/$name: $!";
        put($file, $line);
        $file->sync or die "fsync: $!";
        my $from = time;
        close($file);
        while (1) {
            if (sysopen(my $there, "$copy/$name", O_RDONLY)) {
                sysread($there, my $text, 65536);
                last if defined $text and substr($text, -length($line)) eq $line;
            }
            die "$name has not arrived after 120 s" if time - $from > 120;
            Time::HiRes::sleep(0.01);
        }
        printf $figures "%.3f\n", time - $from;
    }
    close($figures);
}

sub do_first {
    $start = time;
    pipe(my $read, my $write) or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        close($read);
        POSIX::dup2(fileno($write), 2);
        open(STDOUT, '>', '/dev/null');
        exec($place, @more) or POSIX::_exit(127);
    }
    close($write);
    my ($all, $end) = ('', 0);
    while (sysread($read, my $piece, 4096)) {
        $all .= $piece;
        $end ||= time if $all =~ /scan obj=/;
    }
    waitpid($pid, 0);
    die "the command failed: $all" if $? or !$end;
    $start += time - $end;
}

my %verbs = (
    mixed => \&do_mixed, lag => \&do_lag, first => \&do_first,
    append => \&do_append, save => \&do_save,
    write => \&do_write, read => \&do_read, create => \&do_create, touch => \&do_touch, walk => \&do_walk,
    delete => \&do_delete, random => \&do_random, change => \&do_change,
);
die "bench-work: '" . ($verb // '') . "' is none of " . join(', ', sort keys %verbs) . "\n"
    unless defined $verb and exists $verbs{$verb} and defined $place;
$verbs{$verb}->();
printf "%.6f\n", time - $start;
