<?php
# PNP4Nagios template for check_smtp_probe: the time of each step on top of the one before, the whole (which is without
# quit) as a line over them; and the days that the certificate has left. With recursive template search it serves every command whose name
# begins with check_smtp_probe.

$def = array();
$opt = array();
$ds_name = array();

# In the order of the dialogue: step => colour.
$smtp_steps = array(
    'resolve'  => '#9e9e9e', 'connect' => '#1f77b4', 'banner'   => '#2ca02c', 'ehlo'    => '#98df8a',
    'starttls' => '#c5b0d5', 'tls'     => '#9467bd', 'ehlo_tls' => '#bcbd22', 'auth'    => '#d62728',
    'mail'     => '#ffbb78', 'rcpt'    => '#ff7f0e', 'command'  => '#e377c2', 'data'    => '#17becf',
    'message'  => '#8c564b', 'quit'    => '#c7c7c7',
);

# Label => number of the data source.
$smtp_at = array();
foreach ($NAME as $smtp_number => $smtp_label) {
    $smtp_at[$smtp_label] = $smtp_number;
}

# A threshold that a line can stand for: "5" and "21:"; '' for any other range.
$smtp_limit = function ($text) {
    return preg_match('/^(\d+(?:\.\d+)?):?$/', $text, $found) ? $found[1] : '';
};

$smtp_lines = function ($number) use ($WARN, $CRIT, $smtp_limit) {
    $lines = '';
    foreach (array('warning' => array($WARN, '#ffc000'), 'critical' => array($CRIT, '#ff0000')) as $name => $one) {
        $limit = $smtp_limit(isset($one[0][$number]) ? $one[0][$number] : '');
        if ($limit !== '') {
            $lines .= "HRULE:$limit{$one[1]}:\"$name $limit\\l\" ";
        }
    }
    return $lines;
};

if (isset($smtp_at['time'])) {
    $smtp_total = $smtp_at['time'];
    $ds_name[1] = 'Time of the steps';
    $opt[1] = "--vertical-label seconds --lower-limit 0 --slope-mode --title \"SMTP on $hostname: $servicedesc\" ";
    $def[1] = '';
    $smtp_stack = '';
    foreach ($smtp_steps as $smtp_step => $smtp_colour) {
        if (!isset($smtp_at["time_$smtp_step"])) {
            continue;
        }
        $smtp_number = $smtp_at["time_$smtp_step"];
        $smtp_text = str_pad($smtp_step, 9);
        $def[1] .= "DEF:$smtp_step={$RRDFILE[$smtp_number]}:{$DS[$smtp_number]}:AVERAGE ";
        $def[1] .= "AREA:$smtp_step$smtp_colour:\"$smtp_text\"$smtp_stack ";
        $def[1] .= "GPRINT:$smtp_step:LAST:\"%7.3lf %ss last\" ";
        $def[1] .= "GPRINT:$smtp_step:AVERAGE:\"%7.3lf %ss avg\" ";
        $def[1] .= "GPRINT:$smtp_step:MAX:\"%7.3lf %ss max\\l\" ";
        $smtp_stack = ':STACK';
    }
    $def[1] .= "DEF:total={$RRDFILE[$smtp_total]}:{$DS[$smtp_total]}:AVERAGE ";
    $def[1] .= "LINE1:total#000000:\"time     \" ";
    $def[1] .= "GPRINT:total:LAST:\"%7.3lf %ss last\" ";
    $def[1] .= "GPRINT:total:AVERAGE:\"%7.3lf %ss avg\" ";
    $def[1] .= "GPRINT:total:MAX:\"%7.3lf %ss max\\l\" ";
    $def[1] .= $smtp_lines($smtp_total);
}

if (isset($smtp_at['cert_days_left'])) {
    $smtp_number = $smtp_at['cert_days_left'];
    $ds_name[2] = 'Certificate';
    $opt[2] = "--vertical-label days --lower-limit 0 --title \"Certificate on $hostname: $servicedesc\" ";
    $def[2] = "DEF:days={$RRDFILE[$smtp_number]}:{$DS[$smtp_number]}:AVERAGE ";
    $def[2] .= "AREA:days#9467bd80 LINE1:days#9467bd:\"days left\" ";
    $def[2] .= "GPRINT:days:LAST:\"%5.0lf\\l\" ";
    $def[2] .= $smtp_lines($smtp_number);
}
?>
