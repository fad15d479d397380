# One connection, held by a psql that is fed statements: what a server package brings, where a
# database driver may be missing.  Tells how much processor time its backend has used.
package Psql;
use strict;
use warnings;
use IPC::Open2;

sub new
{
	my ($class, @arguments) = @_;
	my $self = bless {}, $class;
	$self->{process} = open2(my $out, my $in, 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
		@arguments);
	@$self{qw(out in)} = ($out, $in);
	$self->{backend} = $self->run('SELECT pg_backend_pid();');
	return $self;
}

# Sends what psql understands, and returns what it printed.
sub run
{
	my ($self, $script) = @_;
	$self->send($script);
	return $self->answer;
}

# The same in two steps, with others' in between.
sub send
{
	my ($self, $script) = @_;
	print { $self->{in} } $script, "\n\\echo :end of the answer:\n";
	$self->{in}->flush;
	$self->{script} = $script;
	$self->{text} = '';
}

sub answer
{
	my ($self) = @_;
	1 until $self->is_done;
	return substr $self->{text}, 0, -length ":end of the answer:\n" unless $self->{text} =~ /\n:end of the answer:\n\z/;
	return substr $self->{text}, 0, -length "\n:end of the answer:\n";
}

# Whether the answer is there, waiting for it at most so many seconds.
sub is_done
{
	my ($self, $seconds) = @_;
	until ($self->{text} =~ /^:end of the answer:\n\z/m)
	{
		if (defined $seconds)
		{
			my $descriptors = '';
			vec($descriptors, fileno $self->{out}, 1) = 1;
			return 0 unless select $descriptors, undef, undef, $seconds;
		}
		sysread($self->{out}, $self->{text}, 65536, length $self->{text}) or die "psql ended: $self->{script}\n";
	}
	return 1;
}

# Seconds that the backend has spent on a processor.
sub cpu
{
	my ($self) = @_;
	open my $file, '<', "/proc/$self->{backend}/schedstat" or die "schedstat: $!\n";
	return (split ' ', readline $file)[0] / 1e9;
}

sub DESTROY
{
	my ($self) = @_;
	# Not the status that the program ends with.
	local $?;
	close $self->{in};
	waitpid $self->{process}, 0;
}

1;
